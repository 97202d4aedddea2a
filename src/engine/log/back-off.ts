/** The first and the longest delay before a failed append or commit is tried again, in milliseconds. */
export const backOff = { first: 50, longest: 5_000 };
