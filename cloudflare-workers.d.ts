/**
 * The part of the platform's module that is used here. The packages with its whole types declare globals that other runtimes
 * do not have.
 */
declare module "cloudflare:workers" {
  export abstract class DurableObject<Env = unknown> {
    protected ctx: unknown;
    protected env: Env;
    constructor(ctx: unknown, env: Env);
  }
}
