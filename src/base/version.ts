/** The version of this package, as it is told to clients. */
export const version = "0.1.0";
