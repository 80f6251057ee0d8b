/** Things on the GPU that are freed together, last made first. */
export class Resources {
  readonly #parts: { destroy(): void }[] = [];

  /** Keeps a part, and hands it back. */
  add<T extends { destroy(): void }>(part: T): T {
    this.#parts.push(part);
    return part;
  }

  /** Frees all parts; a second call finds none. */
  destroy(): void {
    for (const part of this.#parts.splice(0).reverse()) part.destroy();
  }

  /** Makes something from parts; where that fails half-way, the parts that were made are freed. */
  static async build<T>(make: (resources: Resources) => Promise<T>): Promise<T> {
    const resources = new Resources();
    try {
      return await make(resources);
    } catch (error) {
      resources.destroy();
      throw error;
    }
  }
}
