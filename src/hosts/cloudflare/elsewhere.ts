// What other runtimes load in place of `tocsin/cloudflare`. It has the same names, so that its error is the one that is
// thrown, and not one about names that are missing.

export const NotifierObject: undefined = undefined;
export const route: undefined = undefined;

throw new Error(
  'Cannot load tocsin/cloudflare: it works in Cloudflare Workers only, whose bundlers set the condition "workerd". Elsewhere take tocsin/node, tocsin/bun or tocsin/deno',
);
