// Counts by hot-shots, to 127.0.0.1:PORT, as often as it is told: lines of a name and times a second.
import { createInterface } from "node:readline";
import StatsD from "hot-shots";

const client = new StatsD({
  host: "127.0.0.1",
  port: Number(process.argv[2]),
  errorHandler: (error) => {
    console.error(error);
    process.exit(1);
  },
});
const counted = new Map();
createInterface({ input: process.stdin })
  .on("line", (line) => {
    const [name, rate] = line.split(" ");
    counted.set(name, { rate: Number(rate), owed: 0 });
  })
  .on("close", () => process.exit(0));
let last = performance.now();
setInterval(() => {
  const now = performance.now();
  for (const [name, it] of counted) {
    it.owed += (it.rate * (now - last)) / 1000;
    for (; it.owed >= 1; it.owed -= 1) {
      client.increment(name);
    }
  }
  last = now;
}, 50);
