/**
 * JSON Web Tokens in the connect command, verified with Hono's own helpers.
 *
 * @module
 */

export type { KeysOptions, PublicKey } from "./access/keys.ts";
export {
  type JwksOptions,
  type KeyAlgorithm,
  type SecretAlgorithm,
  type SecretOptions,
  type TokenClaims,
  type TokensOptions,
  tokens,
} from "./access/tokens.ts";
