/**
 * Returns a form of a text that every driver stores and returns unchanged. Deno cuts a text at a NUL character, and all
 * of them replace a lone surrogate. Different texts have different forms.
 */
export function stored(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}

/** Returns the text of which `stored` is the form. */
export function restored(form: string): string {
  return JSON.parse(`"${form}"`) as string;
}
