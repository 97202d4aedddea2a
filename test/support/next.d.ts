/** Next is too large to install: what uses it is checked against its stand-in. */
declare module "next" {
  const next: typeof import("./next-stand-in.ts").default;
  export default next;
}
