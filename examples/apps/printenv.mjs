// Prints its environment, sorted, and stays until it is told to end.
for (const key of Object.keys(process.env).sort()) console.log(`${key}=${process.env[key]}`);
const alive = setInterval(() => {}, 1 << 30);
process.once("SIGTERM", () => clearInterval(alive));
