"""Reads a compose file as YAML and checks that what its services name is there: `check_compose.py FILE`."""

import os
import sys

import yaml


def doubled(node):
    """Yields a sentence for each key that stands twice in one mapping; YAML's own reader takes the last silently."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                yield f"line {key.start_mark.line + 1}: the key {key.value} stands twice"
            seen.add(key.value)
            yield from doubled(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from doubled(value)


CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def problems(path):
    """Yields a sentence for each thing that is wrong."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    yield from doubled(yaml.compose(text, Loader=yaml.SafeLoader))
    compose = yaml.safe_load(text)
    root = os.path.dirname(os.path.abspath(path))
    services = compose["services"]
    for name, service in services.items():
        if "image" not in service and "build" not in service:
            yield f"{name} has neither an image nor a build"
        for other, how in service.get("depends_on", {}).items():
            if other not in services:
                yield f"{name} depends on {other}, which does not exist"
                continue
            condition = how["condition"]
            if condition not in CONDITIONS:
                yield f"{name} waits for {other} by an unknown condition {condition}"
            if condition == "service_healthy" and "healthcheck" not in services[other]:
                yield f"{name} waits until {other} is healthy, but that has no health check"
        for secret in service.get("secrets", []):
            source = secret["source"] if isinstance(secret, dict) else secret
            if source not in compose.get("secrets", {}):
                yield f"{name} uses the secret {source}, which does not exist"
        for volume in service.get("volumes", []):
            source = volume["source"] if isinstance(volume, dict) else volume.split(":")[0]
            if source.startswith(("./", "../")):
                if not os.path.exists(os.path.join(root, source)):
                    yield f"{name} mounts {source}, which does not exist"
            elif not source.startswith("/") and source not in compose.get("volumes", {}):
                yield f"{name} mounts the volume {source}, which does not exist"
        for network in service.get("networks", []):
            if network not in compose.get("networks", {}):
                yield f"{name} is on the network {network}, which does not exist"


if __name__ == "__main__":
    found = list(problems(sys.argv[1]))
    print(*found, sep="\n", end="\n" if found else "")
    sys.exit(1 if found else 0)
