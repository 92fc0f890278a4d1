"""
The container image, tested without a container engine: the Dockerfile, compose.yaml and the Kubernetes example
name only what exists, and the image's files run on a file system that is read-only except for the data directory.
"""
import fcntl
import os
import re
import shutil
import subprocess

import pytest
import yaml

from env import http, token
from env.httpd import HAS_SANITIZER, find_module, free_port, live_dir, release_port
from env.launcher import end_all
from env.token import ISSUER, PUBLISHER_KEY, SUBSCRIBER_KEY
from env.wait import wait_until

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HUB = "/.well-known/mercure"


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as file:
        return file.read()


def stages():
    """The instructions of each stage of the Dockerfile: [[(instruction, arguments), …], …]."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", read("Dockerfile"), flags=re.MULTILINE))
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    starts = [i for i, line in enumerate(lines) if line[0] == "FROM"]
    return [lines[a:b] for a, b in zip(starts, [*starts[1:], None])]


def packages(stage):
    run = next(args for name, args in stage if name == "RUN")
    return set(re.search(r"--no-install-recommends\s+(.*?)\s+&&", run)[1].split())


def variables():
    """The variables that the launcher documents."""
    return set(re.findall(r"^#   ([A-Z_]+) ", read("tools/mercure-hub"), re.MULTILINE))


def test_dockerfile_names_what_exists():
    build, image = stages()
    wanted = re.search(r"build_packages=\((.*?)\)", read("dev"), re.DOTALL)[1].split()
    assert packages(build) == set(wanted)
    instructions = dict(image)
    assert instructions["USER"] == "www-data" and instructions["STOPSIGNAL"] == "SIGTERM"
    assert instructions["ENTRYPOINT"] == '["mercure-hub"]' and 'CMD ["mercure-hub", "--health"]' in instructions["HEALTHCHECK"]
    assert instructions["COPY"].split() == ["--from=build", "/image/", "/"]
    assert instructions["ENV"] == "MERCURE_CONTAINER=1" and "MERCURE_CONTAINER" in variables()
    assert instructions["EXPOSE"].split() == ["8080", "80", "443"]
    assert "make install DESTDIR=/image" in build[-1][1]
    # The file with the keys, beside compose.yaml, belongs in no layer and in no commit.
    assert ".env" in read(".dockerignore").splitlines() and ".env" in read(".gitignore").splitlines()
    # Every library that the module is linked with is in a package that the image has.
    linked = subprocess.run(["ldd", find_module()], check=True, capture_output=True, text=True).stdout
    for library, package in (("libcurl.", "libcurl4"), ("liblmdb.", "liblmdb0"), ("libjansson.", "libjansson4"), ("libpcre2-8.", "libpcre2-8-0"),
                             ("libcrypto.", "libssl3"), ("libicuuc.", "libicu72")):
        assert library in linked and package in packages(image)


def test_compose_file_names_what_exists():
    service = yaml.safe_load(read("compose.yaml"))["services"]["hub"]
    assert set(service["environment"]) <= variables()
    assert service["read_only"] is True and service["tmpfs"] == ["/tmp"] and service["ports"] == ["8080:8080"]


def test_compose_file_has_a_cluster():
    services = yaml.safe_load(read("compose.yaml"))["services"]
    assert [name for name, service in services.items() if "profiles" not in service] == ["hub"]
    for name in ("hub-a", "hub-b"):
        machine = services[name]
        assert set(machine["environment"]) <= variables() and machine["read_only"] is True
        assert machine["environment"]["MERCURE_TRANSPORT_URL"] == f"redis://{machine['depends_on'][0]}"
        assert machine["image"] == services["hub"]["image"] and machine["ports"] == [] == machine["volumes"]
    config, = services["balancer"]["configs"]
    content = yaml.safe_load(read("compose.yaml"))["configs"][config["source"]]["content"]
    assert all(f"server {name[-1]} {name}:8080" in content for name in services["balancer"]["depends_on"])


def test_kubernetes_example_of_a_cluster_is_consistent():
    documents = list(yaml.safe_load_all(read("packaging/kubernetes/cluster.yaml")))
    assert [document["kind"] for document in documents] == ["Service", "StatefulSet", "Deployment", "Service"]
    redis, server, hub, service = documents
    assert hub["spec"]["replicas"] == 2
    for deployment, front in ((server, redis), (hub, service)):
        pod = deployment["spec"]["template"]
        assert front["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
        container, = pod["spec"]["containers"]
        volumes = {volume["name"] for volume in pod["spec"]["volumes"] + deployment["spec"].get("volumeClaimTemplates", [])
                   if "name" in volume} | {claim["metadata"]["name"] for claim in deployment["spec"].get("volumeClaimTemplates", [])}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert {name.removesuffix("_FILE") for name in environment} <= variables()
    url, password = environment["MERCURE_TRANSPORT_URL"].split()
    assert url == f"redis://{redis['metadata']['name']}"
    assert os.path.dirname(password.removeprefix("password=file:")) in {mount["mountPath"] for mount in container["volumeMounts"]}
    one = list(yaml.safe_load_all(read("packaging/kubernetes/mercure.yaml")))[1]["spec"]["template"]["spec"]
    assert one["securityContext"] == pod["spec"]["securityContext"]


def test_kubernetes_example_is_consistent():
    documents = list(yaml.safe_load_all(read("packaging/kubernetes/mercure.yaml")))
    assert [document["kind"] for document in documents] == ["PersistentVolumeClaim", "Deployment", "Service", "Ingress"]
    claim = documents.pop(0)
    pod = documents[0]["spec"]["template"]
    container, = pod["spec"]["containers"]
    names = {entry["name"].removesuffix("_FILE") for entry in container["env"]}
    assert names <= variables()
    assert documents[0]["spec"]["replicas"] == 1
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["spec"]["volumes"]}
    assert {"name": "data", "persistentVolumeClaim": {"claimName": claim["metadata"]["name"]}} in pod["spec"]["volumes"]
    assert documents[1]["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    for path in documents[2]["spec"]["rules"][0]["http"]["paths"]:
        assert path["backend"]["service"]["name"] == documents[1]["metadata"]["name"]
    for probe in ("livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"].startswith("/health/")


@pytest.fixture
def image():
    """A folder with the files of the image, and a writable folder for data in it."""
    folder = os.path.join(live_dir(), "image")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(os.path.join(folder, "data"))
    os.chmod(os.path.join(folder, "data"), 0o777)
    build = os.environ["MERCURE_BUILD"]
    with open(os.path.join(build, "answer.lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run in parallel; make must not run twice in one tree
        subprocess.run(["make", "-C", build, "-s", "install", f"DESTDIR={folder}"], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield folder
    shutil.rmtree(folder)


def find(folder, name):
    path, = (os.path.join(parent, name) for parent, _, files in os.walk(folder) if name in files)
    return path


READ_ONLY = """
set -e
mount --make-rprivate /
mount --bind "$DATA" "$DATA"
mount -o remount,bind,ro /
if mountpoint -q /tmp; then mount -o remount,bind,ro /tmp; fi
if touch /tmp/mercure-test 2>/dev/null; then exit 77; fi
exec setpriv --reuid=www-data --regid=www-data --init-groups "$@"
"""


@pytest.mark.skipif(os.getuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode != 0,
                    reason="only root can make a file system read-only")
@pytest.mark.skipif(HAS_SANITIZER, reason="its commands start httpd without the sanitizer")
def test_image_runs_on_a_read_only_file_system(image):
    port, data = free_port(), os.path.join(image, "data")
    launcher = find(image, "mercure-hub")
    env = {"PATH": os.environ["PATH"], "MERCURE_MODULE": find(image, "mod_mercure.so"), "MERCURE_DATA_DIR": data,
           "MERCURE_LISTEN_ADDR": f":{port}", "MERCURE_TRUSTED_ISSUERS": ISSUER, "MERCURE_METRICS": "1",
           "MERCURE_PUBLISHER_JWT_KEY": PUBLISHER_KEY, "MERCURE_SUBSCRIBER_JWT_KEY": SUBSCRIBER_KEY,
           "MERCURE_MAX_SUBSCRIBERS": "100", "MERCURE_EXTRA_DIRECTIVES": "heartbeat 30s\nHeader always set X-Hub one"}
    assert os.access(find(image, "mercure-token"), os.X_OK)
    assert sorted(os.listdir(os.path.dirname(find(image, "caddyfile.awk")))) == sorted(os.listdir(os.path.join(ROOT, "tools/launcher")))
    log = os.path.join(live_dir(), "image.log")
    with open(log, "wb") as out:
        hub = subprocess.Popen(["unshare", "-m", "sh", "-c", READ_ONLY, "sh", launcher], env={**env, "DATA": data},
                               stdin=subprocess.DEVNULL, stderr=out, start_new_session=True)

    def health():
        return subprocess.run([launcher, "--health"], env=env, stderr=subprocess.DEVNULL, check=False).returncode == 0

    try:
        wait_until(lambda: hub.poll() is not None or health(), 60, "the health of the hub")
        assert hub.poll() is None, open(log, encoding="utf-8").read()
        # The data directory has the history, and httpd's files while it runs.
        assert sorted(name.split("-")[0] for name in os.listdir(data)) == ["mercure", "name"]
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert http.request(port, "GET", path).status == 200
        assert http.request(port, "HEAD", HUB).header("X-Hub") == "one"
        minted = token.publisher(aud=f"http://localhost:{port}{HUB}")
        sent = http.request(port, "POST", HUB, body="topic=a&data=x", headers={
            "Authorization": f"Bearer {minted}", "Content-Type": "application/x-www-form-urlencoded"})
        assert sent.status == 200, sent
        hub.terminate()
        assert hub.wait(timeout=60) == 0, open(log, encoding="utf-8").read()
        assert len(os.listdir(data)) == 1 and not health()
    finally:
        end_all(hub, data)
        release_port(port)
