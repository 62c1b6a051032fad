"""How names, labels, ports and addresses must look; each check returns complaints.

The sentences are Kubernetes' own, down to the double blanks, since people search the
web for them.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = f"({_QUALIFIED})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"
_PERCENT = "[0-9]+%"

_is_label = re.compile(_LABEL).fullmatch
_is_label_1035 = re.compile(_LABEL_1035).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_qualified = re.compile(_QUALIFIED).fullmatch
_is_label_value = re.compile(_LABEL_VALUE).fullmatch
_is_config_key = re.compile(_CONFIG_KEY).fullmatch
_is_percent = re.compile(_PERCENT).fullmatch
_is_env_name = re.compile(r"[ -<>-~]+").fullmatch

NOT_NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"
PORT_RANGE = "must be between 1 and 65535, inclusive"


def _example(text: str, pattern: str, *examples: str) -> str:
    first, *others = (f"'{example}'" for example in examples)
    listed = first + "".join(f",  or {other}" for other in others)
    return f"{text} (e.g. {listed}, regex used for validation is '{pattern}')"


_LABEL_TEXT = _example(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_LABEL_1035_TEXT = _example(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character",
    _LABEL_1035,
    "my-name",
    "abc-123",
)
_SUBDOMAIN_TEXT = _example(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_ALPHANUMERIC = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character"
)
_QUALIFIED_EXAMPLES = ("MyName", "my.name", "123-abc")
_NAME_PART_TEXT = _example(f"name part {_ALPHANUMERIC}", _QUALIFIED, *_QUALIFIED_EXAMPLES)
_QUALIFIED_TEXT = (
    _example(f"a qualified name {_ALPHANUMERIC}", _QUALIFIED, *_QUALIFIED_EXAMPLES)
    + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
)
_LABEL_VALUE_TEXT = _example(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_CONFIG_KEY_TEXT = _example(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)
_ENV_NAME_TEXT = (
    "a valid environment variable name must consist only of printable ASCII characters "
    "other than '='"
)
PERCENT_TEXT = _example(
    "a valid percent string must be a numeric string followed by an ending '%'",
    _PERCENT,
    "1%",
    "93%",
)


def _longer(text: str, most: int) -> list[str]:
    return [f"must be no more than {most} characters"] if len(text) > most else []


def dns_label(text: str) -> list[str]:
    return _longer(text, 63) + ([] if _is_label(text) else [_LABEL_TEXT])


def dns_label_1035(text: str) -> list[str]:
    return _longer(text, 63) + ([] if _is_label_1035(text) else [_LABEL_1035_TEXT])


def dns_subdomain(text: str) -> list[str]:
    return _longer(text, 253) + ([] if _is_subdomain(text) else [_SUBDOMAIN_TEXT])


def qualified_name(text: str) -> list[str]:
    """A label's key: a name, maybe after a domain and a slash."""
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return [_QUALIFIED_TEXT]
    problems = []
    if slash and not prefix:
        problems.append("prefix part must be non-empty")
    elif slash:
        problems += [f"prefix part {problem}" for problem in dns_subdomain(prefix)]
    if not name:
        problems.append("name part must be non-empty")
    elif len(name) > 63:
        problems.append("name part must be no more than 63 characters")
    return problems if _is_qualified(name) else [*problems, _NAME_PART_TEXT]


def label_value(text: str) -> list[str]:
    return _longer(text, 63) + ([] if _is_label_value(text) else [_LABEL_VALUE_TEXT])


def config_key(text: str) -> list[str]:
    """A key of a ConfigMap or Secret: it becomes a file's name."""
    problems = _longer(text, 253) + ([] if _is_config_key(text) else [_CONFIG_KEY_TEXT])
    if text in (".", ".."):
        problems.append(f"must not be '{text}'")
    elif text.startswith(".."):
        problems.append("must not start with '..'")
    return problems


def env_name(text: str) -> list[str]:
    if _is_env_name(text):
        return []
    return [_ENV_NAME_TEXT]


def is_percent(text: str) -> bool:
    return _is_percent(text) is not None


def port_number(port: int) -> list[str]:
    return [] if 1 <= port <= 65535 else [PORT_RANGE]


def port_name(text: str) -> list[str]:
    """The service name of RFC 6335."""
    problems = []
    if len(text) > 15:
        problems.append("must be no more than 15 characters")
    if not re.fullmatch("[-a-z0-9]+", text):
        problems.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", text):
        problems.append("must contain at least one letter (a-z)")
    if "--" in text:
        problems.append("must not contain consecutive hyphens")
    if text.startswith("-") or text.endswith("-"):
        problems.append("must not begin or end with a hyphen")
    return problems


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def ip(text: str) -> list[str]:
    if parse_ip(text) is not None:
        return []
    return ["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"]


def cidr(text: str) -> list[str]:
    try:
        ip_network(text.strip(), strict=False)
    except ValueError:
        valid = False
    else:
        valid = "/" in text
    return [] if valid else ["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"]


def reachable_ip(text: str) -> list[str]:
    """An address that a packet from elsewhere can have as its destination."""
    address = parse_ip(text)
    if address is None:
        return ip(text)
    problems = []
    if address.is_unspecified:
        problems.append(f"may not be unspecified ({address})")
    if address.is_loopback:
        problems.append("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    if address.is_link_local:
        problems.append("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    if address.is_multicast and (
        isinstance(address, IPv6Address) or address in ip_network("224.0.0.0/24")
    ):
        problems.append("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")
    return problems
