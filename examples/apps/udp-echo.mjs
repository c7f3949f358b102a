// Answers every datagram with "<pod name> <what it got>", over UDP on POD_IP:PORT (7001).
import { createSocket } from "node:dgram";

const { HOSTNAME = "unknown", POD_IP = "127.0.0.1", PORT = "7001" } = process.env;

const socket = createSocket("udp4");
socket.on("message", (message, { address, port }) => socket.send(`${HOSTNAME} ${message}`, port, address));
socket.bind(Number(PORT), POD_IP, () => console.log(`${HOSTNAME} echoes UDP on ${POD_IP}:${PORT}`));
process.once("SIGTERM", () => socket.close());
