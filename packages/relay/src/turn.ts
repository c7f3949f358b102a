/** The event loop's turns. */

/** Settles after a full turn of the event loop: whatever the kernel had ready when it was called has been handled. */
export async function turn(): Promise<void> {
  // The first ends the turn that is under way, which may have asked the kernel before the call.
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
}
