import { decode, verify, verifyWithJwks } from "hono/jwt";
import type { Identity, Peer } from "../model/peer.ts";
import { Keys, type KeysOptions, type PublicKey } from "./keys.ts";

/** The algorithms with a shared secret. Everyone who can verify such a token can also sign one. */
export type SecretAlgorithm = "HS256" | "HS384" | "HS512";

/** The algorithms with a key pair. */
export type KeyAlgorithm =
  | "RS256"
  | "RS384"
  | "RS512"
  | "PS256"
  | "PS384"
  | "PS512"
  | "ES256"
  | "ES384"
  | "ES512"
  | "EdDSA";

/** The claims that every token must have. */
export interface TokenClaims {
  /** The required audience. With a list, one of them. Default: `aud` is not checked. */
  audience?: string | readonly string[] | undefined;
  /** The required issuer. Default: `iss` is not checked. */
  issuer?: string | undefined;
}

/** Options for tokens that are signed with a shared secret. */
export interface SecretOptions extends TokenClaims {
  /** The secret: at least 32 bytes, generated at random and not chosen by a person. */
  secret: string;
  /** The allowed algorithms. Default: `["HS256"]`. */
  algorithms?: readonly SecretAlgorithm[] | undefined;
}

/** Options for tokens that are signed with a key pair. */
export interface JwksOptions extends TokenClaims, KeysOptions {
  /** The allowed algorithms. Default: `["RS256", "ES256"]`. */
  algorithms?: readonly KeyAlgorithm[] | undefined;
}

/** Options of `tokens`. */
export type TokensOptions = SecretOptions | JwksOptions;

type Claims = Awaited<ReturnType<typeof verify>>;
type Check = (token: string) => Promise<Claims>;

/**
 * Returns an `authenticate` function that lets every request be upgraded, and then checks the JSON Web Token in the
 * connect command, as Centrifugo does.
 *
 * These claims are used: `sub` is the user, `channels` the channels that the client is subscribed to from the start,
 * `info` the data that other clients see, and `exp` the time by which the token must be refreshed. The identity of a
 * connection is fixed by its first token: a later token must have the same `sub`, and only its `exp` is used.
 *
 * An expired token is refused with error 109, upon which clients get a new token. A token that is missing or invalid in
 * any other way closes the connection with 3500.
 *
 * Throws a TypeError or RangeError for insecure options: a secret that is too short, algorithms that do not fit the
 * keys, an empty `audience` or `issuer`, or not exactly one of `secret` and `jwks`.
 *
 * @example
 * ```ts
 * import { tokens } from "tocsin/tokens";
 *
 * const authenticate = tokens({ secret: process.env.TOKEN_SECRET ?? "", audience: "notifications" });
 * app.get("/notifications", upgradeWebSocket(notifications(notifier, { authenticate })));
 * ```
 */
export function tokens(options: TokensOptions): () => Identity {
  const check = checkOf(options);
  const find = async (token: string): Promise<(Identity & { expires: number }) | null> => {
    const claims = token === "" ? undefined : await valid(token, check);
    return claims === undefined ? null : identityOf(claims);
  };
  const refresh = async ({ user }: Peer, token: string): Promise<number | null> => {
    const found = await find(token);
    return found?.user === user ? found.expires : null;
  };
  const connect = (_: Peer, { token }: { token: string }): Promise<Identity | null> => find(token);
  return () => ({ user: "", connect, refresh });
}

function checkOf(options: TokensOptions): Check {
  const given = ["secret", "jwks"].filter((name) => name in (options ?? {}));
  if (given.length !== 1)
    throw new TypeError(
      "Cannot check tokens: give one of secret and jwks, tokens({ secret }) or tokens({ jwks })",
    );
  const { audience, issuer } = options;
  for (const [name, value] of Object.entries({ audience, issuer })) {
    if (value !== undefined && value.length === 0)
      throw new TypeError(`Cannot check tokens by an empty ${name}: leave it out, or say who`);
  }
  const aud = typeof audience === "object" ? [...audience] : audience;
  // The notifier checks the expiry by its own clock: an expired token gets another error than an invalid one.
  const claims = { exp: false, iat: false, ...(aud && { aud }), ...(issuer && { iss: issuer }) };
  if ("secret" in options) return bySecret(options, claims);
  const { algorithms = ["RS256", "ES256"] } = options;
  const allowedAlgorithms = listOf(algorithms, /^(RS|PS|ES)(256|384|512)$|^EdDSA$/);
  const keys = new Keys(options);
  return async (token) => {
    const { header } = decode(token);
    // Every key has a `kty`, which some runtimes' types of a key demand.
    const found = (await keys.with(header?.kid)) as (PublicKey & { kty: string })[];
    return verifyWithJwks(token, { keys: found, allowedAlgorithms, verification: claims });
  };
}

function bySecret({ secret, algorithms = ["HS256"] }: SecretOptions, claims: object): Check {
  if (typeof secret !== "string" || new TextEncoder().encode(secret).length < 32)
    throw new RangeError("Cannot check tokens by this secret: it is not a text of at least 32 bytes");
  // With other algorithms, a public key could be passed as the secret. Everyone knows a public key.
  const allowed = listOf(algorithms, /^HS(256|384|512)$/);
  return (token) => {
    const alg = allowed.find((each) => each === decode(token).header?.alg) ?? allowed[0];
    return verify(token, secret, { ...claims, alg: alg as SecretAlgorithm });
  };
}

function listOf<A extends string>(algorithms: readonly A[], supported: RegExp): A[] {
  if (algorithms.length > 0 && algorithms.every((each) => supported.test(each))) return [...algorithms];
  const rule = "give HS* with a secret, or RS*, PS*, ES* or EdDSA with jwks";
  throw new TypeError(`Cannot check tokens by algorithms ${JSON.stringify(algorithms)}: ${rule}`);
}

/**
 * Returns the claims of a token, or undefined if the token is invalid. Other errors, such as a failed fetch, are
 * thrown.
 */
async function valid(token: string, check: Check): Promise<Claims | undefined> {
  try {
    const { payload } = decode(token);
    // Hono reads the claims before it checks the signature, and assumes that they are an object.
    return typeof payload === "object" && payload !== null ? await check(token) : undefined;
  } catch (error) {
    // These errors are not passed on: their messages contain the token.
    if (error instanceof Error && error.name.startsWith("Jwt")) return undefined;
    throw error;
  }
}

/** Returns the identity in the claims, or null if a claim has the wrong type. */
function identityOf({ sub, exp, channels, info }: Claims): (Identity & { expires: number }) | null {
  if (typeof sub !== "string") return null;
  if (exp !== undefined && (typeof exp !== "number" || !Number.isFinite(exp))) return null;
  if (channels !== undefined && !isListOfTexts(channels)) return null;
  return {
    user: sub,
    expires: exp === undefined ? Infinity : exp * 1000,
    ...(channels !== undefined && { channels }),
    ...(info !== undefined && { info }),
  };
}

function isListOfTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === "string");
}
