/**
 * What every service needs around its logic: configuration, logs, metrics, health, lifecycle. Dependency wiring is apart, at
 * `@fairlead/host/wiring`, for a service's `compose.ts` only.
 *
 * @packageDocumentation
 */
export * from "./clock.ts";
export * from "./config/define-options.ts";
export * from "./config/errors.ts";
export * from "./config/host-port.ts";
export { nearest } from "./config/nearest.ts";
export { option, type Option } from "./config/option.ts";
export type { FileDialect, RawValue, SourceContent } from "./config/sources.ts";
export * from "./health-server.ts";
export * from "./lifecycle.ts";
export * from "./logger.ts";
export * from "./metrics.ts";
export * from "./run-service.ts";
export * from "./service-stack.ts";
