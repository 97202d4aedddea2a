/** Next is too large to install. Code that uses it is type-checked against the stand-in. */
declare module "next" {
  const next: typeof import("./next-stand-in.ts").default;
  export default next;
}
