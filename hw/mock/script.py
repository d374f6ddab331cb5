"""Stored scripts: the text of one is parsed into instructions, which a machine of its own carries out.

A script runs inside the daemon and outlives the client that stored it. Its words are those of the command line client:
most commands of the protocol, and instructions of the machine, which has an accumulator, a flag (the last result, for
the jumps), ten parameters, 150 variables, a stack and a buffer of bytes. Numbers are 32 bits and wrap round.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from hw.mock import absent
from hw.mock.protocol import MAX_SCRIPTS, SCRIPT_PARAMS, WORD, Cmd, Err, signed
from hw.mock.work import Handler, Time, Work

INITIALISING: Final = 0
HALTED: Final = 1
RUNNING: Final = 2
WAITING: Final = 3
"""States that PROCP tells."""

READY_US: Final = 1_000
"""Where time follows the wall a script is initialising for so long after its store, and cannot be run: the daemon
starts a thread for it. On the virtual clock that takes no time, as commands take none.
"""

VARIABLES: Final = 150
MAX_TAGS: Final = 50
STACK: Final = 256
INSTRUCTIONS_PER_US: Final = 20
"""A model of the speed: what is measured on a Pi lies between some millions and some tens of millions a second."""
DELETE_POLL_US: Final = 5_000
"""A delete looks this often whether the script has come to its end."""

_WORD_LIMIT: Final = 31
_MASK: Final = 0xFFFF_FFFF
_LONGEST: Final = (1 << 63) - 1
_BUFFER: Final = 1 << 16
_FIRST_VARIABLE: Final = SCRIPT_PARAMS

# What a command takes, by the names that may be used in a script. Everything else is refused there.
_NOTHING: Final = (
    "BR1 BR2 CGI DCRA HALT HWVER INRA NO NOP PIGPV POPA PUSHA RET T TICK WVBSY WVCLR WVCRE WVHLT WVNEW WVTAT"
)
_ANY: Final = "ADD AND BC1 BC2 BS1 BS2 CMDR CMDW CMP CSI DIV EVTWT LDA LDAB MLT MOD OR RLA RRA STAB SUB WAIT XOR"
_POSITIVE: Final = (
    "BI2CC BSPIC EVT FC GDC GPW I2CC I2CRS MG MICS MILS MODEG NC NP PADG PFG PRG PRRG R READ SERC SERDA SERRB SLRC "
    "SPIC WVCAP WVDEL WVSC WVSM WVSP WVTX WVTXR"
)
_REGISTER: Final = "DCR INR POP PUSH STA XA"
_TAG: Final = "CALL JM JMP JNZ JP JZ TAG"
_TWO_POSITIVE: Final = "FG HC I2CRB I2CRW I2CWQ I2CWS P PADS PFS PRS PWM S SERVO SERWB SLRI W WDOG WRITE WVTXM"
_POSITIVE_ANY: Final = "EVM NB"
_REGISTER_ANY: Final = "LD RL RR"
_TWO_REGISTERS: Final = "X"
_MODE: Final = "M MODES"
_PULL: Final = "PUD"
_THREE: Final = "BI2CO FN HP I2CO I2CPC I2CWB I2CWW SLRO SPIO TRIG"
_SEEK: Final = "FS"
_NAME: Final = "SYS"

_KINDS: Final = {
    name: kind
    for kind, names in enumerate(
        (
            _NOTHING,
            _ANY,
            _POSITIVE,
            _REGISTER,
            _TAG,
            _TWO_POSITIVE,
            _POSITIVE_ANY,
            _REGISTER_ANY,
            _TWO_REGISTERS,
            _MODE,
            _PULL,
            _THREE,
            _SEEK,
            _NAME,
        )
    )
    for name in names.split()
}
(
    _K_NOTHING,
    _K_ANY,
    _K_POSITIVE,
    _K_REGISTER,
    _K_TAG,
    _K_TWO_POSITIVE,
    _K_POSITIVE_ANY,
    _K_REGISTER_ANY,
    _K_TWO_REGISTERS,
    _K_MODE,
    _K_PULL,
    _K_THREE,
    _K_SEEK,
    _K_NAME,
) = range(14)
_SHORT: Final = {"MG": "MODEG", "M": "MODES", "P": "PWM", "R": "READ", "S": "SERVO", "T": "TICK", "W": "WRITE"}
_MODES: Final = "RW540123"
_PULLS: Final = "ODU"
_JUMPS: Final = ("CALL", "JM", "JMP", "JNZ", "JP", "JZ")

_NUMBER: Final = re.compile(r"\s*([vp]?)\s*([+-]?)(0[xX][0-9a-fA-F]*|0[0-7]*|[1-9][0-9]*)\s*")
_LETTER: Final = re.compile(r"\s*(\S)\s*")
_TEXT: Final = re.compile(r"\s*(\S+)\s*")


@dataclass(frozen=True)
class Operand:
    """A number, or where one stands: ``place`` is its place among parameters (0-9) and variables (from 10)."""

    number: int
    place: int | None = None


@dataclass(frozen=True)
class Instruction:
    """One word with what it takes; ``text`` is the name after SYS."""

    name: str
    operands: tuple[Operand, ...] = ()
    text: str = ""


@dataclass
class Parsed:
    """A script's instructions. ``status`` is 0, or the first thing that is wrong with it."""

    status: int = 0
    steps: list[Instruction] = field(default_factory=list)
    tags: dict[int, int] = field(default_factory=dict)


class _Bad(Exception):
    """The word does not take this."""


class _Reader:
    """Reads words and numbers; what does not fit is left where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def word(self) -> str:
        found = _TEXT.match(self.text, self.at)
        if found is None:
            self.at = len(self.text)
            return ""
        word = found[1]
        self.at = found.end() if len(word) <= _WORD_LIMIT else found.start(1) + _WORD_LIMIT
        return word[:_WORD_LIMIT].upper()

    def operand(self) -> Operand:
        """A number, v and a number, or p and a number. Raises _Bad.

        Numbers below 0 pass: the parameters stand before the variables, so v-1 is p9. What stands before the
        parameters is nobody's; here it is 0.
        """
        found = _NUMBER.match(self.text, self.at)
        if found is None:
            raise _Bad
        self.at = found.end()
        digits = found[3]
        base = 16 if digits[:2].lower() == "0x" else 8 if digits[0] == "0" else 10
        number = min(int("0" + digits[2:] if base == 16 else digits, base), _LONGEST)
        number = -number if found[2] == "-" else number
        if not found[1]:
            return Operand(number)
        count = VARIABLES if found[1] == "v" else SCRIPT_PARAMS
        if number >= count:
            raise _Bad
        return Operand(number, number + (_FIRST_VARIABLE if found[1] == "v" else 0))

    def positive(self) -> Operand:
        operand = self.operand()
        if signed(operand.number & _MASK) < 0:
            raise _Bad
        return operand

    def register(self) -> Operand:
        """A variable or parameter; a plain number is the number of a variable."""
        operand = self.operand()
        if not 0 <= operand.number < VARIABLES:
            raise _Bad
        return operand if operand.place is not None else Operand(operand.number, operand.number + _FIRST_VARIABLE)

    def plain(self) -> Operand:
        operand = self.operand()
        if operand.place is not None:
            raise _Bad
        return operand

    def letter(self, letters: str) -> Operand:
        """One of some letters, as its number among them."""
        found = _LETTER.match(self.text, self.at)
        if found is None:
            raise _Bad
        self.at = found.end()
        number = letters.find(found[1].upper())
        if number < 0:
            raise _Bad
        return Operand(number)


def parse(text: str) -> Parsed:
    """Parses a script to its end, whatever is wrong in it."""
    script, reader = Parsed(), _Reader(text)
    while reader.at < len(text):
        name = reader.word()
        kind = _KINDS.get(name)
        try:
            if kind is None:
                raise _Bad
            operands, word = _take(reader, kind)
        except _Bad:
            script.status = script.status or Err.BAD_SCRIPT_CMD
            continue
        if name != "TAG":
            script.steps.append(Instruction(_SHORT.get(name, name), operands, word))
        elif len(script.tags) >= MAX_TAGS:
            script.status = script.status or Err.TOO_MANY_TAGS
        elif operands[0].number in script.tags:
            script.status = script.status or Err.DUP_TAG
        else:
            script.tags[operands[0].number] = len(script.steps)
    for step in script.steps:
        if step.name in _JUMPS and step.operands[0].number not in script.tags:
            script.status = script.status or Err.BAD_TAG
    return script


def _take(reader: _Reader, kind: int) -> tuple[tuple[Operand, ...], str]:
    """What a word of some kind takes, and the text after SYS. Raises _Bad."""
    if kind == _K_NOTHING:
        return (), ""
    if kind == _K_ANY:
        return (reader.operand(),), ""
    if kind == _K_POSITIVE:
        return (reader.positive(),), ""
    if kind == _K_REGISTER:
        return (reader.register(),), ""
    if kind == _K_TAG:
        return (reader.plain(),), ""
    if kind == _K_TWO_POSITIVE:
        return (reader.positive(), reader.positive()), ""
    if kind == _K_POSITIVE_ANY:
        return (reader.positive(), reader.operand()), ""
    if kind == _K_REGISTER_ANY:
        return (reader.register(), reader.operand()), ""
    if kind == _K_TWO_REGISTERS:
        return (reader.register(), reader.register()), ""
    if kind in (_K_MODE, _K_PULL):
        return (reader.positive(), reader.letter(_MODES if kind == _K_MODE else _PULLS)), ""
    if kind == _K_THREE:
        return (reader.positive(), reader.positive(), reader.positive()), ""
    if kind == _K_SEEK:
        first, offset, origin = reader.positive(), reader.operand(), reader.plain()
        if signed(origin.number & _MASK) < 0:
            raise _Bad
        return (first, offset, origin), ""
    found = _TEXT.match(reader.text, reader.at)
    if found is None:
        raise _Bad
    reader.at = found.end()
    return (), found[1]


Step = Callable[[], int]
"""Carries one instruction out and gives the next one's number."""


class Script:
    """One stored script and its machine. ``memory`` holds parameters and variables."""

    def __init__(self, number: int, parsed: Parsed, host: Scripts) -> None:
        self.number = number
        self.host = host
        self.memory = [0] * (SCRIPT_PARAMS + VARIABLES)
        self.state = HALTED
        self.wanted = False
        self.dying = False
        self.wait_bits = 0
        self.event_bits = 0
        self._changed = 0
        self._a = 0
        self._f = 0
        self._pc = 0
        self._failed = False
        self._stack: list[int] = []
        self._buffer = bytearray(_BUFFER)
        self._work: Work | None = None
        self._pauses = 0
        self._tags = parsed.tags
        self._steps: list[Step] = []
        for step in parsed.steps:
            self._steps.append(self._compile(step, len(self._steps)))

    def send(self, data: bytes) -> None:
        """Nothing that a script may ask for sends anything."""

    report = send

    # What clients ask of it

    def run(self, params: list[int]) -> int:
        """Starts it; one that waits for a change goes on as if there had been one, one that runs just goes on.

        Returns 0, or SCRIPT_NOT_READY while it is initialising.
        """
        if self.state == INITIALISING:
            return Err.SCRIPT_NOT_READY
        self.put(params)
        self.wanted = True
        if self.state == WAITING:
            self.wake(None)
        elif self.state == HALTED and self._steps:
            self._a = self._f = self._pc = 0
            self._failed = False
            self._stack.clear()
            self.state = RUNNING
            self._go_on()
        return 0

    def ready(self) -> None:
        """Its thread has started."""
        if self.state == INITIALISING:
            self.state = HALTED

    def put(self, params: list[int]) -> None:
        """Changes the first parameters."""
        self.memory[: len(params)] = params

    def halt(self) -> None:
        """Asks it to stop. A delay, or whatever else the present instruction does, goes on to its end."""
        self.wanted = False
        if self.state == WAITING:
            self.wake(None)

    def wake(self, changed: int | None) -> None:
        """What it waits for has come (None: nothing new, it just goes on)."""
        if changed is not None:
            self._changed = changed
        self.wait_bits = 0
        self.host.watch()
        self._a = self._f = signed(self._changed)
        self.state = RUNNING
        self._go_on()

    # The machine

    def _go_on(self) -> None:
        """Carries out instructions until one takes time, or a microsecond is full."""
        if self._work is not None and not self._end_work(self._work):
            return
        steps, pc, count = self._steps, self._pc, len(self._steps)
        for _ in range(INSTRUCTIONS_PER_US):
            if not self.wanted or self._failed or not 0 <= pc < count:
                self.state = HALTED
                return
            pc = steps[pc]()
            if self.state != RUNNING or self._work is not None:
                self._pc = pc
                return
        self._pc = pc
        self._pause(self.host.time.soon(1))

    def _pause(self, tick: int) -> None:
        self._pauses += 1
        number = self._pauses

        def go_on() -> None:
            if self.host.hung:
                self.host.kept.append(go_on)
            elif self.state == RUNNING and self._pauses == number:
                self._go_on()

        self.host.time.schedule(tick, go_on)

    def _end_work(self, work: Work) -> bool:
        """A command that takes time goes on. Whether it has ended."""
        try:
            tick = next(work)
        except StopIteration as end:
            self._work = None
            self._a = self._f = signed(end.value & _MASK)
            return True
        self._pause(tick)
        return False

    # Instructions

    def _compile(self, step: Instruction, here: int) -> Step:
        code = Cmd.__members__.get(step.name)
        if code is not None:
            return self._command(code, step.operands, here + 1)
        if step.name in _JUMPS:
            return self._jump(step.name, self._tags.get(step.operands[0].number, 0), here + 1)
        if step.operands and step.name in _REGISTER.split() + _REGISTER_ANY.split() + _TWO_REGISTERS.split():
            return self._register(step.name, step.operands, here + 1)
        if step.operands and step.name in _SIMPLE:
            return self._arithmetic(step.name, step.operands[0], here + 1)
        return self._other(step, here)

    def _value(self, operand: Operand) -> Callable[[], int]:
        """Gives an operand as a word with a sign."""
        memory, place = self.memory, operand.place
        if place is None:
            number = signed(operand.number & _MASK)
            return lambda: number
        return lambda: memory[place] if place >= 0 else 0

    def _command(self, code: int, operands: tuple[Operand, ...], following: int) -> Step:
        handler = self.host.handlers[code]
        values = [self._value(operand) for operand in operands]
        first = values[0] if values else lambda: 0
        second = values[1] if len(values) > 1 else lambda: 0
        third = values[2] if len(values) > 2 else None

        def command() -> int:
            ext = b"" if third is None else WORD.pack(third() & _MASK)
            result = handler(self, first() & _MASK, second() & _MASK, ext)
            if isinstance(result, int):
                self._a = self._f = signed(result & _MASK)
            elif not isinstance(result, bytes):
                self._work = result
                self._end_work(result)
            return following

        return command

    def _jump(self, name: str, target: int, following: int) -> Step:
        if name == "JMP":
            return lambda: target
        if name == "CALL":

            def call() -> int:
                self._push(following)
                return target

            return call
        if name == "JZ":
            return lambda: target if self._f == 0 else following
        if name == "JNZ":
            return lambda: target if self._f else following
        if name == "JM":
            return lambda: target if self._f < 0 else following
        return lambda: target if self._f >= 0 else following

    def _arithmetic(self, name: str, operand: Operand, following: int) -> Step:
        value, operation = self._value(operand), _SIMPLE[name]

        def arithmetic() -> int:
            self._a = self._f = signed(operation(self._a, value()) & _MASK)
            return following

        return arithmetic

    def _register(self, name: str, operands: tuple[Operand, ...], following: int) -> Step:
        memory, place = self.memory, operands[0].place or 0
        value = self._value(operands[-1])
        other = operands[-1].place or 0

        def register() -> int:
            if name == "LD":
                memory[place] = value()
            elif name == "STA":
                memory[place] = self._a
            elif name == "XA":
                memory[place], self._a = self._a, memory[place]
            elif name == "X":
                memory[place], memory[other] = memory[other], memory[place]
            elif name == "PUSH":
                self._push(memory[place])
            elif name == "POP":
                memory[place] = self._pop()
            else:
                result = memory[place]
                if name == "INR":
                    result += 1
                elif name == "DCR":
                    result -= 1
                elif name == "RL":
                    result <<= value() & 31
                else:
                    result >>= value() & 31
                memory[place] = self._f = signed(result & _MASK)
            return following

        return register

    def _other(self, step: Instruction, here: int) -> Step:
        name, following = step.name, here + 1
        value = self._value(step.operands[0]) if step.operands else lambda: 0

        def other() -> int:
            if name == "HALT":
                return -1
            if name == "LDA":
                self._a = value()
            elif name == "CMP":
                self._f = signed((self._a - value()) & _MASK)
            elif name == "INRA":
                self._a = self._f = signed((self._a + 1) & _MASK)
            elif name == "DCRA":
                self._a = self._f = signed((self._a - 1) & _MASK)
            elif name == "PUSHA":
                self._push(self._a)
            elif name == "POPA":
                self._a = self._pop()
            elif name == "RET":
                return self._pop()
            elif name == "LDAB":
                if 0 <= value() < _BUFFER:
                    self._a = self._buffer[value()]
            elif name == "STAB":
                if 0 <= value() < _BUFFER:
                    self._buffer[value()] = self._a & 0xFF
            elif name == "SYS":
                self._a = self._f = absent.shell(step.text.encode("latin-1"))
            elif name in ("WAIT", "EVTWT"):
                self._wait(value() & _MASK, events=name == "EVTWT")
            else:  # NOP, CMDR and CMDW are parsed, but the daemon never gets past them
                return here
            return following

        return other

    def _wait(self, bits: int, events: bool) -> None:
        self.state = WAITING
        if events:
            self.event_bits = bits  # the daemon forgets to clear them when the wait is over
        else:
            self.wait_bits = bits
        self.host.watch()

    def _push(self, value: int) -> None:
        if len(self._stack) < STACK:
            self._stack.append(value)
        else:
            self._failed = True

    def _pop(self) -> int:
        if self._stack:
            return self._stack.pop()
        self._failed = True
        return 0


def _divide(a: int, b: int) -> int:
    """Towards zero; by zero it gives zero, as the processor of a 64-bit Pi does."""
    quotient = abs(a) // abs(b) if b else 0
    return quotient if (a < 0) == (b < 0) else -quotient


_SIMPLE: Final[dict[str, Callable[[int, int], int]]] = {
    "ADD": lambda a, b: a + b,
    "AND": lambda a, b: a & b,
    "DIV": _divide,
    "MLT": lambda a, b: a * b,
    "MOD": lambda a, b: a - _divide(a, b) * b,
    "OR": lambda a, b: a | b,
    "RLA": lambda a, b: a << (b & 31),
    "RRA": lambda a, b: a >> (b & 31),
    "SUB": lambda a, b: a - b,
    "XOR": lambda a, b: a ^ b,
}


class Scripts:
    """All stored scripts. ``watch`` is called when what they wait for may have changed."""

    def __init__(self, time: Time, handlers: dict[int, Handler], watch: Callable[[], None]) -> None:
        self.time = time
        self.handlers = handlers
        self.watch = watch
        self._slots: list[Script | None] = [None] * MAX_SCRIPTS
        self.hung = False
        self.kept: list[Callable[[], None]] = []

    def hang(self) -> None:
        """The daemon's process stands still, and its scripts with it."""
        self.hung = True

    def thaw(self) -> None:
        """They go on with what fell due meanwhile."""
        self.hung = False
        kept, self.kept = self.kept, []
        for go_on in kept:
            go_on()

    def store(self, text: bytes) -> int:
        """Stores a script. Returns its number or an error."""
        if None not in self._slots:
            return Err.NO_SCRIPT_ROOM
        parsed = parse(text.partition(b"\0")[0].decode("latin-1"))
        if parsed.status:
            return parsed.status
        number = self._slots.index(None)
        script = self._slots[number] = Script(number, parsed, self)
        if self.time.follows_wall:
            script.state = INITIALISING
            self.time.schedule(self.time.soon(READY_US), script.ready)
        return number

    def find(self, number: int) -> Script | None:
        """A script that is stored and not being deleted."""
        script = self._slots[number] if number < MAX_SCRIPTS else None
        return None if script is None or script.dying else script

    def delete(self, script: Script) -> Work:
        """Halts a script, waits for its end and forgets it."""
        script.dying = True
        script.halt()
        while script.state == RUNNING:
            yield self.time.now + DELETE_POLL_US
        self._slots[script.number] = None
        self.watch()
        return 0

    def params(self, number: int, ext: bytes, run: bool) -> int:
        """PROCR and PROCU: new parameters for a script, and for the first a start."""
        if number < MAX_SCRIPTS and len(ext) // 4 > SCRIPT_PARAMS:
            return Err.TOO_MANY_PARAM
        script = self.find(number)
        if script is None:
            return Err.BAD_SCRIPT_ID
        params = [signed(word) for (word,) in WORD.iter_unpack(ext[: len(ext) // 4 * 4])]
        if run:
            return script.run(params)
        script.put(params)
        return 0

    @property
    def wait_bits(self) -> int:
        """The lines that scripts wait for."""
        bits = 0
        for script in self._slots:
            if script is not None:
                bits |= script.wait_bits
        return bits

    def changed(self, bits: int) -> None:
        """Lines changed, as the daemon's alert thread saw them: wakes the scripts that wait for one of them."""
        for script in self._slots:
            if script is not None and not script.dying and script.state == WAITING and script.wait_bits & bits:
                script.wake(script.wait_bits & bits)

    def happened(self, event: int) -> None:
        """An event: wakes the scripts that wait for it, or once did and now wait for something else."""
        bit = 1 << event
        for script in self._slots:
            if script is not None and not script.dying and script.state == WAITING and script.event_bits & bit:
                script.wake(bit)

    def die(self) -> None:
        """The daemon is gone, and its scripts with it."""
        for script in self._slots:
            if script is not None:
                script.state = HALTED
        self._slots = [None] * MAX_SCRIPTS
