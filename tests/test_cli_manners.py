"""Conventions of the command line: help, verbosity, suggestions, colours, pipes, exit statuses."""

import os
import pty
import re
import shlex
import subprocess
import sys
import termios

import pytest

from ecgpipe.cli import main
from ecgpipe.cli.main import COMMANDS, GROUPS, build_parser
from ecgpipe.cli.parser import Command

TOOL = [sys.executable, "-m", "ecgpipe"]
BY_NAME = {command.name: command for command in COMMANDS}


def run(*arguments, **options):
    return subprocess.run([*TOOL, *arguments], capture_output=True, text=True, **options)


def on_a_terminal(*arguments, **environment) -> str:
    """The output of a command on a pseudo-terminal."""
    main_end, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))  # a terminal without a size shows no progress bar
    environment = {**os.environ, "TERM": "xterm", **environment}
    done = subprocess.Popen([*TOOL, *arguments], stdout=terminal, stderr=terminal, stdin=terminal, env=environment)
    os.close(terminal)
    shown = b""
    while True:
        try:
            part = os.read(main_end, 4096)
        except OSError:  # on Linux: the other end is closed
            break
        if not part:
            break
        shown += part
    done.wait()
    os.close(main_end)
    return shown.decode()


@pytest.fixture
def failing(monkeypatch):
    """Replaces the commands by one that fails."""

    def fail(args):
        {}["a key"]

    def use(how=fail):
        command = Command("doctor", how, BY_NAME["doctor"].arguments, "doctor", logs=False)
        monkeypatch.setattr(sys.modules["ecgpipe.cli.main"], "COMMANDS", (command,))

    return use


@pytest.mark.parametrize("name", BY_NAME)
def test_every_command_shows_examples_that_parse(name, capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args([name, "--help"])
    shown = capsys.readouterr().out
    examples = re.findall(r"^  ecgpipe (.+)$", shown, re.M)
    assert examples
    for example in examples:
        words = shlex.split(example.split(" > ")[0], comments=True)
        assert words[0] == name
        build_parser().parse_args(words)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["rendre", "x"], "no such command: 'rendre'; did you mean render"),
        (["render", "x", "-o", "y", "--degrad-sed", "3"], "did you mean --degrade-seed"),
        (["render", "x", "-o", "y", "--degrade", "foto"], "no such choice: 'foto'; did you mean photo?"),
        (["labels", "x", "--policy", "zzz"], "choose from single, primary, multilabel"),
        (["predict", "x.png", "--threads", "-1"], "argument --threads: -1: give a whole number of 1 or more"),
    ],
)
def test_a_mistyped_word_gets_a_remedy(arguments, expected, capsys):
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 2
    message = capsys.readouterr().err
    assert expected in message
    assert len(message.splitlines()) == 2


def test_a_mistyped_layout_gets_a_suggestion(tmp_path, capsys):
    assert main(["simulate", str(tmp_path / "made"), "--records", "1", "--seed", "1"]) == 0
    record = str(tmp_path / "made/records100/00000/00001_lr")
    assert main(["render", record, "-o", str(tmp_path / "p.png"), "--layout", "cardiac-image"]) == 1
    assert "did you mean cardiac-images?" in capsys.readouterr().err


def test_quiet_and_verbose_before_or_after_the_command():
    parser = build_parser()
    for words in (["-q", "claims"], ["claims", "-q"], ["claims", "results", "--quiet"]):
        assert parser.parse_args(words).quiet is True
        assert parser.parse_args(words).verbose is False
    for words in (["--verbose", "claims"], ["claims", "-v"]):
        assert parser.parse_args(words).verbose is True


def test_quiet_and_verbose_messages(tmp_path):
    messages = run("-v", "simulate", str(tmp_path / "a"), "--records", "2", "--seed", "1").stderr
    assert "simulate: 2 records" in messages
    assert "records/s]" not in messages  # no bar in a pipe
    assert "what the printed accuracies imply" in run("-q", "claims").stdout.lower()  # results are still printed


def test_an_unexpected_error_is_one_line_and_verbose_shows_the_traceback(failing, capsys):
    failing()
    assert main(["doctor"]) == 70
    message = capsys.readouterr().err
    assert message.splitlines() == [
        "ecgpipe: unexpected KeyError: 'a key'; --verbose shows where (please report it with that output)"
    ]
    assert main(["doctor", "--verbose"]) == 70
    assert "Traceback" in capsys.readouterr().err


def test_an_os_error_is_one_line(failing, tmp_path, capsys):
    failing(lambda args: (tmp_path / "no" / "file").write_text(""))
    assert main(["doctor"]) == 1
    assert capsys.readouterr().err == f"ecgpipe: {tmp_path}/no/file: No such file or directory\n"


def test_a_missing_library_is_one_line_with_the_extra(failing, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnx", None)
    failing(lambda args: __import__("onnx"))
    assert main(["doctor"]) == 1
    assert "pip install 'ecgpipe[onnx]'" in capsys.readouterr().err


def test_an_interruption_is_one_line(failing, capsys):
    def interrupt(args):
        raise KeyboardInterrupt

    failing(interrupt)
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "ecgpipe: interrupted\n"


def test_a_closed_pipe_is_not_an_error():
    tool = subprocess.Popen([*TOOL, "claims", "--all", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    tool.stdout.close()  # before the first output
    assert tool.stderr.read() == b""
    assert tool.wait() == 141


def test_colours_and_bars_only_on_terminals(tmp_path):
    arguments = ("check", "nowhere")
    assert "\033[31mecgpipe\033[0m: nowhere" in on_a_terminal(*arguments)
    assert "\033" not in on_a_terminal(*arguments, NO_COLOR="1")
    assert "\033" not in run(*arguments).stderr
    simulate = ("simulate", "--records", "2", "--seed", "1")
    assert "records/s]" in on_a_terminal(*simulate, str(tmp_path / "a"))
    assert not on_a_terminal(*simulate, str(tmp_path / "b"), "--quiet")


def test_the_help_lists_every_command_in_its_group():
    shown = build_parser().format_help()
    listed = re.findall(r"^  (\w+):\n((?:    .*\n)+)", shown[shown.index("commands:") :], re.M)
    names = {heading: re.findall(r"^    ([a-z]\S+)", lines, re.M) for heading, lines in listed}
    assert names == {heading: [command.name for command in group] for heading, group in GROUPS.items()}
    assert len(names) == 5


def test_without_arguments_prints_the_help(capsys):
    assert main([]) == 2
    assert "commands:" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_contains_commands_and_options(shell, capsys):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert "preprocess" in script
    assert "degrade-seed" in script


def test_bash_completes(tmp_path):
    script = tmp_path / "ecgpipe.bash"
    script.write_text(run("completion", "bash").stdout)
    ask = (
        f"source {script}; COMP_WORDS=(ecgpipe render --deg); COMP_CWORD=2; COMP_LINE='ecgpipe render --deg'; "
        "COMP_POINT=${#COMP_LINE}; $(complete -p ecgpipe | grep -oP '(?<=-F )\\S+'); echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", ask], capture_output=True, text=True)
    assert done.stdout.split() == ["--degrade", "--degrade-seed"], done.stderr
