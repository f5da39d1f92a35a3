"""Counts to 127.0.0.1:PORT as often as it is told: lines of a name and times a second."""

import os
import sys
import threading
import time

from datadog.dogstatsd import DogStatsd

client = DogStatsd(host="127.0.0.1", port=int(sys.argv[1]))
client.disable_telemetry()
counted = {}


def listen():
    for line in sys.stdin:
        name, rate = line.split()
        counted[name] = [float(rate), 0.0]
    os._exit(0)


threading.Thread(target=listen, daemon=True).start()
last = time.monotonic()
while True:
    time.sleep(0.05)
    now = time.monotonic()
    for name, it in list(counted.items()):
        it[1] += it[0] * (now - last)
        while it[1] >= 1:
            client.increment(name)
            it[1] -= 1
    last = now
