// Sends one of everything to 127.0.0.1:PORT, by UDP or TCP.
import StatsD from "hot-shots";

const [, , port, protocol] = process.argv;
const client = new StatsD({
  host: "127.0.0.1",
  port: Number(port),
  protocol,
  globalTags: { env: "test" },
  maxBufferSize: protocol === "udp" ? 600 : 0,
  errorHandler: (error) => {
    console.error(error);
    process.exit(1);
  },
});
client.increment("js.logins", 3, { region: "eu" });
client.decrement("js.logins", 1, { region: "eu" });
client.gauge("js.queue", 42.5);
client.gaugeDelta("js.queue", -2.5);
client.timing("js.checkout", 320);
client.histogram("js.size", 12.5);
client.distribution("js.weight", 7);
client.set("js.users", "ana");
client.set("js.users", "bo");
client.event("Deployed", "Version 2 of the shop", { alert_type: "info" });
client.check("shop.db", client.CHECKS.WARNING);
client.close();
