/** The first characters of a text, at most so many, and never half of one that takes two. Of nothing there is nothing. */
export function shortened<T extends string | undefined>(text: T, longest: number): T {
  if (text === undefined || text.length <= longest) return text;
  const last = text.charCodeAt(longest - 1);
  const isHalf = last >= 0xd8_00 && last <= 0xdb_ff;
  return text.slice(0, isHalf ? longest - 1 : longest) as T;
}
