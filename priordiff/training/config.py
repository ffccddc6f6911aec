"""Configurations: dataclasses, read from a YAML file and overrides, checked, and stored with the run."""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml  # type: ignore[import-untyped]
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from priordiff.files import write_text

__all__ = ["ADJUSTABLE", "changed_keys", "counterpart", "expect", "left_open", "load_config", "save_config"]

T = TypeVar("T")


ADJUSTABLE: Final[Mapping[str, bool]] = types.MappingProxyType({"adjustable": True})
"""Metadata of a field that may differ when a run is resumed, since it doesn't alter the result."""


def left_open(value: str) -> Mapping[str, str]:
    """Metadata of a field that is decided when a run begins, and stored with it.

    Args:
        value: The value that leaves it open; a resumed run that has it keeps what was decided.

    Returns:
        The metadata.
    """
    return types.MappingProxyType({"left_open": value})


def expect(config: object, name: str, valid: bool, expected: str) -> None:
    """Refuse a configuration whose field ``name`` isn't valid.

    Args:
        config: The configuration, usually ``self`` in its ``__post_init__``.
        name: The field.
        valid: Whether its value is.
        expected: What a valid value is, in words.

    Raises:
        ValueError: If not valid, naming the field, its value and what was expected.
    """
    if not valid:
        raise ValueError(f"{name} is {getattr(config, name)!r}: expected {expected}")


def load_config(schema: type[T], file: Path | str | None = None, overrides: Sequence[str] = ()) -> T:
    """Configuration from its defaults, a YAML file and overrides, each stronger than the one before.

    Args:
        schema: A dataclass, whose fields may be dataclasses; it says which keys there are, and their types.
        file: A YAML file; None for the defaults.
        overrides: ``section.key=value``, with values written as in YAML.

    Returns:
        An instance of ``schema``.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a key is unknown (the nearest one is named), or a value of the wrong type or out of
            range.

    Example:
        >>> from priordiff.training import TrainingConfig
        >>> load_config(TrainingConfig, overrides=["batch_size=8"]).batch_size
        8
        >>> load_config(TrainingConfig, overrides=["bach_size=8"])
        Traceback (most recent call last):
        ...
        ValueError: bach_size=8: unknown key 'bach_size'; did you mean 'batch_size'?
    """
    config = OmegaConf.structured(schema)
    if file is not None:
        _apply(config, schema, *_read(Path(file)), source=str(file))
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ValueError(
                f"{override!r} is no override: expected key=value, such as training.num_steps=1000"
            )
        try:
            typed = OmegaConf.to_container(OmegaConf.from_dotlist([override]), resolve=False)
            _apply(config, schema, typed, _nested(key, yaml.load(text, yaml.BaseLoader)), source=override)
        except (OmegaConfBaseException, yaml.YAMLError) as error:
            raise ValueError(f"{override!r} is no override: {' '.join(str(error).split())}") from error
    try:
        return typing.cast(T, OmegaConf.to_object(config))
    except OmegaConfBaseException as error:
        raise ValueError(f"{_first_line(error)} (in {file or 'the configuration'})") from error


def save_config(config: object, path: Path | str) -> None:
    """Store a configuration as YAML; [`load_config`][priordiff.training.load_config] gives it back equal.

    Args:
        config: An instance of a dataclass.
        path: The file; written whole or not at all.

    Raises:
        OSError: If it can't be written.
    """
    write_text(Path(path), yaml.safe_dump(_plain(config), sort_keys=False, allow_unicode=True))


def changed_keys(stored: Any, current: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Keys in which two configurations differ so that a run of one can't be continued with the other.

    Args:
        stored: The configuration of the run.
        current: The one it would be continued with; an instance of the same dataclass.
        prefix: Put before the keys.

    Yields:
        The dotted key, its stored value and its current one.
    """
    for each in dataclasses.fields(stored):
        before, after = getattr(stored, each.name), getattr(current, each.name)
        key = f"{prefix}{each.name}"
        if each.metadata.get("adjustable") or after in (before, each.metadata.get("left_open", before)):
            continue
        if dataclasses.is_dataclass(before) and type(before) is type(after):
            yield from changed_keys(before, after, f"{key}.")
        else:
            yield key, before, after


def counterpart(part: object, whole: Any, other: Any) -> Any | None:
    """Find in one configuration what a part is in another.

    Args:
        part: A configuration: ``whole`` itself, or a section of it at any depth.
        whole: The configuration that it is part of.
        other: An instance of the same dataclass as ``whole``.

    Returns:
        The same section of ``other``; None if ``part`` is no part of ``whole``.
    """
    if part is whole:
        return other
    sections = (each.name for each in dataclasses.fields(whole))
    pairs = ((getattr(whole, name), getattr(other, name)) for name in sections)
    found = (counterpart(part, mine, theirs) for mine, theirs in pairs if dataclasses.is_dataclass(mine))
    return next((section for section in found if section is not None), None)


def _read(file: Path) -> tuple[Any, Any]:
    if not file.is_file():
        raise FileNotFoundError(f"there is no configuration file {file}")
    try:
        text = file.read_text(encoding="utf-8")
        raw = yaml.load(text, yaml.BaseLoader)
        if not isinstance(raw, dict | None):
            raise ValueError(f"{file}: expected keys and values, got {type(raw).__name__}")
        return OmegaConf.to_container(OmegaConf.create(text), resolve=False), raw or {}
    except (OmegaConfBaseException, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no valid YAML: {' '.join(str(error).split())}") from error


def _apply(
    config: Any, root: type, typed: Any, raw: Any, source: str, schema: type | None = None, prefix: str = ""
) -> None:
    schema = schema or root
    hints = typing.get_type_hints(schema)
    names = [each.name for each in dataclasses.fields(schema)]
    for name, value in typed.items():
        key = f"{prefix}{name}"
        if name not in names:
            raise ValueError(f"{source}: unknown key {key!r}; did you mean {_nearest(key, root)!r}?")
        options = [o for o in _options(hints[name]) if o is not type(None)]
        section = next((o for o in options if dataclasses.is_dataclass(o)), None)
        if section is not None and value is not None:
            if not isinstance(value, Mapping):
                raise ValueError(f"{source}: {key} is {value!r}: expected a section with keys of its own")
            if OmegaConf.select(config, key) is None:  # one that may be left out, and was until now
                OmegaConf.update(config, key, OmegaConf.structured(section))
            _apply(config, root, value, raw[name], source, typing.cast(type, section), f"{key}.")
            continue
        # YAML reads the word no as false: where a string is wanted, it stays the word that was written.
        if value is not None and (str in options or options == [list[str]]):
            value = raw[name]
        try:
            OmegaConf.update(config, key, value, merge=False)
        except OmegaConfBaseException as error:
            expected = " or ".join(
                "null" if o is type(None) else _type_name(o) for o in _options(hints[name])
            )
            raise ValueError(f"{source}: {key} is {value!r}: expected {expected}") from error


def _nearest(key: str, root: type) -> str:
    # A key is as near as its name is, whether or not its section was given.
    return max(_keys(root), key=lambda k: max(_ratio(key, k), _ratio(key.split(".")[-1], k.split(".")[-1])))


def _ratio(left: str, right: str) -> float:
    return difflib.SequenceMatcher(None, left, right).ratio()


def _keys(schema: type, prefix: str = "") -> Iterator[str]:
    for name, hint in typing.get_type_hints(schema).items():
        section = next((o for o in _options(hint) if dataclasses.is_dataclass(o)), None)
        if section is None:
            yield f"{prefix}{name}"
        else:
            yield from _keys(typing.cast(type, section), f"{prefix}{name}.")


def _options(hint: Any) -> tuple[Any, ...]:
    return typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _type_name(hint: Any) -> str:
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _nested(key: str, value: Any) -> Any:
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
