/** The version of this package. Replies to clients contain it. */
export const version = "0.1.0";
