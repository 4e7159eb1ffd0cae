"""What the interoperability scenarios of MQTT 3.1.1 ask of a broker, played by paho-mqtt.

usage: interoperability.py HOST PORT tcp|websockets|tls

Each scenario is a function; its name is printed when it has passed. Waiting is for an event, with a deadline.
"""

import queue
import socket
import ssl
import sys
import time

import paho.mqtt.client as mqtt

HOST, PORT, OVER = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TRANSPORT = "websockets" if OVER == "websockets" else "tcp"
SOON = 10.0


class Client:
    """A paho client whose network loop runs in a thread, and what it has heard."""

    def __init__(self, name, clean=True, will=None, keep_alive=60, manual_ack=False, expect=0):
        self.messages, self.grants, self.unsubscribed = queue.Queue(), queue.Queue(), queue.Queue()
        self.acked, self.connected, self.gone = queue.Queue(), queue.Queue(), queue.Queue()
        self.paho = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=name, clean_session=clean, transport=TRANSPORT,
            reconnect_on_failure=False, manual_ack=manual_ack,
        )
        self.paho.on_message = lambda _c, _u, message: self.messages.put(message)
        self.paho.on_subscribe = lambda _c, _u, _mid, codes, _p: self.grants.put([code.value for code in codes])
        self.paho.on_unsubscribe = lambda _c, _u, mid, _codes, _p: self.unsubscribed.put(mid)
        self.paho.on_publish = lambda _c, _u, mid, _code, _p: self.acked.put(mid)
        self.paho.on_connect = lambda _c, _u, flags, code, _p: self.connected.put((code.value, flags.session_present))
        self.paho.on_disconnect = lambda _c, _u, _flags, _code, _p: self.gone.put(True)
        if OVER == "tls":
            self.paho.tls_set(cert_reqs=ssl.CERT_NONE)
            self.paho.tls_insecure_set(True)
        if will:
            topic, payload, qos, retain = will
            self.paho.will_set(topic, payload, qos, retain)
        self.paho.connect(HOST, PORT, keep_alive)
        self.paho.loop_start()
        code, self.present = self.connected.get(timeout=SOON)
        assert code == expect, (name, code)

    def subscribe(self, *pairs):
        self.paho.subscribe(list(pairs))
        return self.grants.get(timeout=SOON)

    def unsubscribe(self, topic):
        self.paho.unsubscribe(topic)
        self.unsubscribed.get(timeout=SOON)

    def publish(self, topic, payload, qos=0, retain=False):
        self.paho.publish(topic, payload, qos, retain)
        self.acked.get(timeout=SOON)

    def hear(self):
        return self.messages.get(timeout=SOON)

    def hear_all(self, marker="the/end"):
        """Everything that came before a marker that the client sends itself; the connection keeps order."""
        self.subscribe((marker, 2))
        self.publish(marker, b"", 2)
        heard = []
        while (message := self.hear()).topic != marker:
            heard.append((message.topic, bytes(message.payload), message.qos, bool(message.retain)))
        self.unsubscribe(marker)
        return heard

    def leave(self):
        self.paho.disconnect()
        self.gone.get(timeout=SOON)
        self.paho.loop_stop()

    def crash(self):
        """The socket ends without a goodbye."""
        self.paho._sock.close() if TRANSPORT == "tcp" else self.paho._sock._socket.close()
        self.paho.loop_stop()

    def fall_silent(self):
        """The network loop stops; the socket stays open."""
        self.paho.loop_stop()


def what_is_published_comes_back_at_each_quality():
    client = Client("basic")
    assert client.subscribe(("TopicA", 2)) == [2]
    for qos in (0, 1, 2):
        client.publish("TopicA", b"qos %d" % qos, qos)
    heard = client.hear_all()
    assert sorted(heard) == [("TopicA", b"qos %d" % qos, qos, False) for qos in (0, 1, 2)], heard
    client.leave()


def quality_is_lowered_to_what_was_granted():
    client = Client("lower")
    assert client.subscribe(("low/0", 0), ("low/1", 1), ("low/2", 2)) == [0, 1, 2]
    for granted in (0, 1, 2):
        for qos in (0, 1, 2):
            client.publish(f"low/{granted}", b"", qos)
    heard = [(message[0], message[2]) for message in client.hear_all()]
    assert sorted(heard) == sorted((f"low/{g}", min(g, q)) for g in (0, 1, 2) for q in (0, 1, 2)), heard
    client.leave()


def retained_messages_greet_new_subscribers_until_they_are_cleared():
    client = Client("retained")
    topics = ("TopicA/B", "Topic/C", "TopicA/C")
    for qos, topic in enumerate(topics):
        client.publish(topic, b"qos %d" % qos, qos, retain=True)
    client.subscribe(("+/+", 2))
    heard = client.hear_all()
    assert sorted(heard) == sorted((t, b"qos %d" % q, q, True) for q, t in enumerate(topics)), heard
    client.subscribe(("+/+", 2))
    assert len(client.hear_all()) == 3, "a repeated subscription is greeted again"
    client.publish("TopicA/B", b"fresh", 1, retain=True)
    assert client.hear_all() == [("TopicA/B", b"fresh", 1, False)], "an old subscriber does not see the flag"
    client.unsubscribe("+/+")
    for topic in topics:
        client.publish(topic, b"", 1, retain=True)
    client.subscribe(("#", 2))
    assert client.hear_all() == []
    client.leave()


def a_will_is_published_when_the_connection_is_lost():
    watcher = Client("watcher")
    watcher.subscribe(("wills/+", 2))
    mortal = Client("mortal", will=("wills/lost", b"gone", 1, True))
    mortal.crash()
    message = watcher.hear()
    assert (message.topic, message.payload, message.qos, message.retain) == ("wills/lost", b"gone", 1, False)
    late = Client("late")
    late.subscribe(("wills/lost", 2))
    assert late.hear().retain, "a retained will is kept"
    late.publish("wills/lost", b"", 0, retain=True)
    late.leave()
    watcher.hear_all()
    polite = Client("polite", will=("wills/polite", b"gone", 1, False))
    polite.leave()
    assert watcher.hear_all() == [], "a goodbye discards the will"
    watcher.leave()


def a_silent_client_is_gone_by_its_keep_alive():
    watcher = Client("watcher", keep_alive=0)
    watcher.subscribe(("wills/silent", 2))
    silent = Client("silent", keep_alive=2, will=("wills/silent", b"expired", 2, False))
    begin = time.monotonic()
    silent.fall_silent()
    assert watcher.hear().payload == b"expired"
    assert 2.0 < time.monotonic() - begin < 5.0, time.monotonic() - begin
    watcher.leave()


def a_newer_connection_takes_the_name_over():
    watcher = Client("watcher")
    watcher.subscribe(("wills/old", 0))
    old = Client("twin", will=("wills/old", b"taken over", 0, False))
    new = Client("twin")
    assert old.gone.get(timeout=SOON) and watcher.hear().payload == b"taken over"
    old.paho.loop_stop()
    new.subscribe(("twin", 0))
    new.publish("twin", b"alive")
    assert new.hear().payload == b"alive"
    new.leave()
    watcher.leave()


def messages_wait_for_a_persistent_client():
    assert not Client("keeper", clean=True).leave()
    keeper = Client("keeper", clean=False)
    assert not keeper.present
    keeper.subscribe(("offline/#", 2))
    keeper.leave()
    other = Client("other")
    for qos in (0, 1, 2):
        other.publish(f"offline/{qos}", b"waits", qos)
    other.leave()
    keeper = Client("keeper", clean=False)
    assert keeper.present
    heard = [(message[0], message[2]) for message in keeper.hear_all()]
    assert heard == [("offline/1", 1), ("offline/2", 2)], heard
    keeper.leave()
    Client("keeper", clean=True).leave()
    assert not Client("keeper", clean=True).present, "a clean session forgets"


def what_was_not_acknowledged_is_sent_again():
    lazy = Client("lazy", clean=False, manual_ack=True)
    lazy.subscribe(("again/#", 2))
    other = Client("other")
    other.publish("again/1", b"one", 1)
    other.publish("again/2", b"two", 2)
    other.leave()
    first = [lazy.hear(), lazy.hear()]
    assert [message.mid for message in first] == [1, 2], "packet identifiers begin with 1"
    lazy.leave()
    lazy = Client("lazy", clean=False)
    again = lazy.hear()
    assert (again.topic, again.mid, again.dup) == ("again/1", 1, True)
    assert lazy.present
    lazy.leave()
    Client("lazy", clean=True).leave()


def overlapping_subscriptions_bring_one_message_at_the_best_quality():
    client = Client("overlap")
    client.subscribe(("TopicA/#", 2), ("TopicA/+", 1))
    client.publish("TopicA/C", b"overlapping", 2)
    assert client.hear_all() == [("TopicA/C", b"overlapping", 2, False)]
    client.leave()


def an_empty_client_id_needs_a_clean_session():
    Client("", clean=True).leave()
    if OVER == "tcp":
        # paho refuses to say it, so the bytes do.
        with socket.create_connection((HOST, PORT), SOON) as wire:
            wire.sendall(bytes.fromhex("100c00044d51545404000 03c0000".replace(" ", "")))
            assert wire.recv(16) == bytes.fromhex("20020002") and wire.recv(16) == b""


def a_subscription_can_be_refused():
    client = Client("refused")
    assert client.subscribe(("test/nosubscribe", 2), ("test/other", 1)) == [0x80, 1]
    client.publish("test/nosubscribe", b"", 1)
    client.publish("test/other", b"x", 1)
    assert client.hear_all() == [("test/other", b"x", 1, False)]
    client.leave()


def wildcards_do_not_match_topics_of_the_server():
    client = Client("dollar")
    client.subscribe(("#", 2), ("+/info", 2))
    client.publish("$house/info", b"", 1)
    assert client.hear_all() == []
    client.unsubscribe("#")
    client.unsubscribe("+/info")
    client.subscribe(("$house/#", 2))
    client.publish("$house/info", b"seen", 1)
    assert client.hear_all() == [("$house/info", b"seen", 1, False)]
    client.leave()


def nothing_comes_after_unsubscribing():
    client = Client("leaver")
    client.subscribe(("a/+", 2), ("a/b", 2), ("/", 0))
    client.unsubscribe("a/+")
    client.publish("a/b", b"1", 1)
    client.unsubscribe("a/b")
    client.publish("a/b", b"2", 1)
    client.publish("/", b"3", 0)
    assert client.hear_all() == [("a/b", b"1", 1, False), ("/", b"3", 0, False)]
    client.leave()


def a_megabyte_comes_back_whole():
    client = Client("large")
    client.subscribe(("large", 1))
    payload = bytes(range(256)) * 4096
    client.publish("large", payload, 1)
    assert client.hear().payload == payload
    client.leave()


def many_messages_come_in_order():
    client = Client("order")
    client.subscribe(("order", 2))
    for number in range(500):
        client.paho.publish("order", str(number), number % 2 + 1)
    heard = {1: [], 2: []}
    for _ in range(500):
        message = client.hear()
        heard[message.qos].append(int(message.payload))
    assert heard[1] == list(range(0, 500, 2)) and heard[2] == list(range(1, 500, 2))
    client.leave()


SCENARIOS = [
    what_is_published_comes_back_at_each_quality,
    quality_is_lowered_to_what_was_granted,
    retained_messages_greet_new_subscribers_until_they_are_cleared,
    a_will_is_published_when_the_connection_is_lost,
    a_silent_client_is_gone_by_its_keep_alive,
    a_newer_connection_takes_the_name_over,
    messages_wait_for_a_persistent_client,
    what_was_not_acknowledged_is_sent_again,
    overlapping_subscriptions_bring_one_message_at_the_best_quality,
    an_empty_client_id_needs_a_clean_session,
    a_subscription_can_be_refused,
    wildcards_do_not_match_topics_of_the_server,
    nothing_comes_after_unsubscribing,
    a_megabyte_comes_back_whole,
    many_messages_come_in_order,
]

for scenario in SCENARIOS:
    scenario()
    print(scenario.__name__, flush=True)
