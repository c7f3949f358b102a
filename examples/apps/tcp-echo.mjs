// Sends back what it gets, over TCP on POD_IP:PORT (7000). With GREETING it first says who it is.
import { createServer } from "node:net";

const { HOSTNAME = "unknown", POD_IP = "127.0.0.1", PORT = "7000", GREETING } = process.env;

const server = createServer({ allowHalfOpen: true }, (socket) => {
  if (GREETING) socket.write(`${HOSTNAME}\n`);
  socket.on("error", () => socket.destroy());
  socket.pipe(socket);
});
server.listen(Number(PORT), POD_IP, () => console.log(`${HOSTNAME} echoes TCP on ${POD_IP}:${PORT}`));
process.once("SIGTERM", () => server.close());
