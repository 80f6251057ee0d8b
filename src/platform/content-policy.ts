/**
 * What the web app may do, as a Content-Security-Policy: load from its own origin, and nothing else. The server sends
 * it as a header; the built page carries it too, for hosts that cannot send headers. `data:` and `blob:` are pictures
 * that the page makes itself, not addresses.
 */
export const CONTENT_POLICY: Readonly<Record<string, readonly string[]>> = {
  'default-src': ["'none'"],
  'script-src': ["'self'"],
  'worker-src': ["'self'"],
  'connect-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'data:', 'blob:'],
  'manifest-src': ["'self'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'frame-ancestors': ["'none'"],
};

/** Directives that a page's own `<meta>` cannot set. */
const HEADER_ONLY = ['frame-ancestors'];

/** The policy as the header's value, or as a `<meta>` takes it. */
export function formatPolicy(where: 'header' | 'meta'): string {
  return Object.entries(CONTENT_POLICY)
    .filter(([name]) => where === 'header' || !HEADER_ONLY.includes(name))
    .map(([name, sources]) => `${name} ${sources.join(' ')}`)
    .join('; ');
}
