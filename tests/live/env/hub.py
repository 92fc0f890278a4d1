"""The configuration section of a hub, as most tests need it."""
from .token import PUBLISHER_KEY, SUBSCRIBER_KEY, ISSUER

PATH = "/.well-known/mercure"

# The MercureDetach setting of every hub of this test: see the fixture each_carrier.
DETACH = ""


def hub(*directives, path=PATH, name=None, keys=True, anonymous=True,
        identifier="https://hub.example"):
    """
    A <Location> with a hub whose keys are those of env.token (HS256) and whose audience is
    IDENTIFIER followed by PATH (None: what the module derives). DIRECTIVES are added as they are.
    """
    lines = [f'<Location "{path}">', "MercureHub On" + (f" name={name}" if name else "")]
    if keys:
        lines.append(f'MercurePublisherKey {ISSUER} HS256 "{PUBLISHER_KEY}"')
        lines.append(f'MercureSubscriberKey {ISSUER} HS256 "{SUBSCRIBER_KEY}"')
    if anonymous:
        lines.append("MercureAnonymous On")
    if identifier is not None:
        lines.append(f"MercureResourceIdentifier {identifier}{path}")
    if DETACH:
        lines.append(f"MercureDetach {DETACH}")
    lines += directives
    lines.append("</Location>")
    return "\n".join(lines) + "\n"
