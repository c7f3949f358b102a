export * from "./data-types.ts";
export {
  type Counted,
  type KeepingExpression,
  type NftData,
  type NftExpression,
  readCounter,
  writeCounter,
} from "./expressions.ts";
export * from "./layouts.ts";
export * from "./nftables-client.ts";
export * from "./nftables-numbers.ts";
export * from "./nftables-transaction.ts";
export * as nftRule from "./rule-expressions.ts";
export * from "./set-description.ts";
