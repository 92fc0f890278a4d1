"""A hub on two machines with every MPM: updates, subscriptions, orders, and the death of child processes."""
from env import token
# pytest finds the fixtures by their names.
from env.cluster import cluster, new_redis, redis, wait_up  # noqa: F401
from env.operator import call
from test_cluster import CONTROL
from test_subscriptions import TOPIC, listed, watch


def test_two_machines(cluster, each_carrier):
    a, b = cluster(2, "MercureSubscriptions On", CONTROL, options="lease=5 timeout=1")
    watcher = watch(b)[0]
    stream = a.subscribe([("match", TOPIC)], token=token.subscriber(sub="alice"))
    began = watcher.next()
    assert '"active":true' in began.data
    b.publish(TOPIC, "from b")
    a.publish(TOPIC, "from a")
    assert [event.data for event in stream.take(2)] == ["from b", "from a"]
    assert sorted(entry["match"] for entry in listed(b)["subscriptions"])[-1] == TOPIC
    call(b, "POST", "disconnect", {"sub": "alice"}, status=202)
    stream.wait_end()
    assert '"active":false' in watcher.next().data
    watcher.close()


def test_the_death_of_all_children_is_told(cluster):
    a, b = cluster(2, "MercureSubscriptions On", options="lease=5 timeout=1")
    watcher = watch(b)[0]
    stream = a.subscribe([("match", TOPIC)], token=token.subscriber())
    assert '"active":true' in watcher.next().data
    for pid in a.children():
        a.kill_child(pid)
    assert '"active":false' in watcher.next().data
    stream.close()
    wait_up(a)
    with a.subscribe([("match", TOPIC)]) as again:
        b.publish(TOPIC, "after")
        assert again.next().data == "after"
    watcher.close()
