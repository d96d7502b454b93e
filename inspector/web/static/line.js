import { onVerdict } from "./events.js";

onVerdict(() => {});
