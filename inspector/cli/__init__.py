"""Turns a command line into a call of one command. Imports a command's module only when that command is called,
so that `inspector --help` needs neither models nor a broker's client."""

from collections.abc import Mapping

import click

from inspector.cli.files import report_unusable_files
from inspector.cli.imports import import_to_stay
from inspector.cli.logs import LEVELS, quiet_grpc, setup_logging

START, LINE, MODEL, OPERATE = "Start here", "Line", "Model", "Operate"
HEADINGS: Mapping[str, str] = {
    START: "try it; check this machine and your files",
    LINE: "run it, feed it, watch its verdicts",
    MODEL: "from recordings to a bundle",
    OPERATE: "a line in production",
}
"""The headings of `inspector --help` in their order, each with what its commands are for."""

COMMANDS: Mapping[str, tuple[str, str, str]] = {
    "access": ("inspector.cli.access", "Who may do what: roles and tokens.", OPERATE),
    "adapt": ("inspector.cli.adapting", "Teaches a trained model a further product.", MODEL),
    "alerts": ("inspector.cli.alerts", "Shows, acknowledges and silences alerts.", OPERATE),
    "archive": ("inspector.cli.archive", "Looks up, exports and checks the verdicts that were kept.", OPERATE),
    "audit": ("inspector.cli.auditing", "Shows and verifies the record of every change.", OPERATE),
    "bench": ("inspector.cli.benching", "Measures how fast this machine runs a bundle.", MODEL),
    "check": ("inspector.cli.check", "Explains a configuration and lists its problems.", START),
    "compile": ("inspector.cli.compiling", "Makes a bundle faster on the GPUs or CPUs of the line.", MODEL),
    "data": ("inspector.cli.data", "Makes, checks and splits the manifest of your recordings.", START),
    "dataset": ("inspector.cli.dataset", "Exports reviewed pieces as a data set to train on.", MODEL),
    "dead-letters": ("inspector.cli.dead_letters", "Shows the records that could not be used, and why.", OPERATE),
    "demo": ("inspector.cli.demo", "Runs a simulated line and shows its verdicts.", START),
    "deploy": ("inspector.cli.deploying", "Puts a bundle on the running line, live or on trial.", OPERATE),
    "deployments": ("inspector.cli.deployments", "Shows what was deployed, and what each worker runs.", OPERATE),
    "distil": ("inspector.cli.adapting", "Replaces a camera's expert by one of a tenth of its size.", MODEL),
    "doctor": ("inspector.cli.doctor", "Lists what this machine can run, and what to install for more.", START),
    "evaluate": ("inspector.cli.evaluating", "Judges a data set with a bundle and reports the figures.", MODEL),
    "export": ("inspector.cli.training", "Makes a bundle from the checkpoint of a training.", MODEL),
    "feedback": ("inspector.cli.watch", "Records what a person saw on a piece: ok or nok.", OPERATE),
    "fit": ("inspector.cli.fitting", "Makes a bundle from good pieces alone, for a new line.", MODEL),
    "floor": ("inspector.cli.floor", "Runs archive, alerts and live page, without judging.", LINE),
    "gateway": ("inspector.cli.serving", "Serves verdicts to clients over gRPC.", LINE),
    "init": ("inspector.cli.init", "Writes the first recipe and configuration of a bundle.", START),
    "parity": ("inspector.cli.parity", "Compares the decisions of a bundle's engines with torch's.", MODEL),
    "plausibility": ("inspector.cli.plausibility", "Teaches a bundle which recordings are implausible.", MODEL),
    "replay": ("inspector.cli.replay", "Publishes a data set as a line would.", LINE),
    "review": ("inspector.cli.reviewing", "Known pieces, and how far reviewers agree.", OPERATE),
    "rollback": ("inspector.cli.deploying", "Ends a trial, or returns to the previous deployment.", OPERATE),
    "score": ("inspector.cli.score", "Compares a line's verdicts with the truth of a replay.", LINE),
    "serve": ("inspector.cli.serving", "Runs the whole service with one command.", LINE),
    "simulate": ("inspector.cli.simulate", "Simulates a line: as a data set, or live.", LINE),
    "source": ("inspector.cli.source", "Publishes a real camera, microphone or folder.", LINE),
    "topics": ("inspector.cli.topics", "Creates or checks the topics on Kafka.", OPERATE),
    "train": ("inspector.cli.training", "Trains a model on a data set and writes its bundle.", MODEL),
    "verdict": ("inspector.cli.watch", "Prints a recent verdict as JSON.", LINE),
    "watch": ("inspector.cli.watch", "Shows verdicts as they come, in a table.", LINE),
    "worker": ("inspector.cli.serving", "Judges pieces, without a gateway.", LINE),
}
"""Name of a command: the module that defines it, one line for `inspector --help`, and the heading it stands under."""

_TRAINING = ("torch", "torchvision", "timm", "peft", "librosa", "scipy", "sklearn", "onnxscript", "safetensors")
_OURS = ("inspector", "encoders", "fusion", "streams", "protos")


class LazyGroup(click.Group):
    """A group that lists its commands without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = COMMANDS[cmd_name][0]
        try:
            quiet_grpc(ctx.params.get("log_level", "info"))  # click imports the command before it calls `main`
            command = getattr(import_to_stay(module), cmd_name.replace("-", "_"))
        except ModuleNotFoundError as exc:
            raise click.ClickException(missing_words(cmd_name, exc)) from exc
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{cmd_name} is {command!r}, expected a click command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            with report_unusable_files():
                return super().invoke(ctx)
        except ModuleNotFoundError as exc:
            if (exc.name or "").partition(".")[0] in _OURS:  # a defect of the program: its trace names the place
                raise
            raise click.ClickException(missing_words(ctx.invoked_subcommand or "inspector", exc)) from exc

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, COMMANDS))
        for heading, meaning in HEADINGS.items():
            rows = [
                (name.ljust(width), text) for name, (_, text, under) in sorted(COMMANDS.items()) if under == heading
            ]
            with formatter.section(f"{heading} ({meaning})"):
                formatter.write_dl(rows)


def missing_words(command: str, error: ModuleNotFoundError) -> str:
    """Which package the command lacks, and what installs it."""
    module = error.name or ""
    name = module.partition(".")[0]
    if name in _TRAINING:
        return f"`{command}` needs {name}, which is part of the training half: in the checkout, pip install '.[train]'"
    if name == "openvino":
        return f"`{command}` needs openvino: in the checkout, pip install '.[openvino]'"
    if name in ("onnx", "ml_dtypes"):
        return f"`{command}` needs {name}: in the checkout, pip install '.[compile]'"
    return f"`{command}` needs the module {module}, which is not installed: install inspector again"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="inspector")
@click.option(
    "--log-level",
    type=click.Choice(LEVELS),
    default="info",
    show_default=True,
    help="Least severe level that is logged.",
)
@click.option("--log-json", is_flag=True, help="Log one JSON object per line, for machines.")
def main(log_level: str, log_json: bool) -> None:
    """Inspects pieces with cameras and sensors: one verdict per inspection.

    New here? `inspector demo` shows it running. `inspector COMMAND --help` explains a command.
    """
    setup_logging(log_level, as_json=log_json)
