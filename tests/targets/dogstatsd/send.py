"""Sends one of everything to 127.0.0.1:PORT, or to the Unix socket PATH."""

import sys

from datadog.dogstatsd import DogStatsd

place = sys.argv[1]
if place.isdigit():
    client = DogStatsd(host="127.0.0.1", port=int(place), constant_tags=["env:test"])
else:
    client = DogStatsd(socket_path=place, constant_tags=["env:test"])
client.disable_telemetry()
with client:
    client.increment("py.logins", 3, tags=["region:eu"])
    client.decrement("py.logins", 1, tags=["region:eu"])
    client.gauge("py.queue", -4.5)
    client.timing("py.checkout", 320)
    client.histogram("py.size", 12.5)
    client.distribution("py.weight", 7)
    client.set("py.users", "ana")
    client.set("py.users", "bo")
    client.set("py.users", "ana")
client.event("Deployed", "Version 2\nof the shop", alert_type="info", tags=["a:b"])
client.service_check("shop.db", client.WARNING, message="slow")
client.flush()
