/** Settings of training that go together, by a name. */
export interface Recipe {
  readonly name: string;
  /** A few words for lists: what it is. */
  readonly title: string;
  /** Settings whose default is another one than usual. What a preset sets and what is given go before them. */
  readonly settings: Readonly<Record<string, unknown>>;
}
