// A SharedWorker that holds the one event stream of this browser and hands every message to all open tabs.
import { Connection } from "./connection.js";

const ports = new Set();
const connection = new Connection((message) => ports.forEach((port) => port.postMessage(message)));
let isOpen = false;

self.onconnect = ({ ports: [port] }) => {
  ports.add(port);
  port.onmessage = ({ data }) => {
    if (data === "bye") {
      ports.delete(port);
      port.close();
    } else if (!isOpen) {
      isOpen = true;
      connection.open(data.after);
    }
  };
  connection.backlog().forEach((message) => port.postMessage(message));
};
