"""Turns a command line into a call of one command. Imports a command's module only when that command is called,
so that `inspector --help` needs neither models nor a broker's client."""

import importlib
from collections.abc import Mapping

import click

from inspector.cli.files import unusable_files_reported
from inspector.cli.logs import LEVELS, quiet_grpc, setup_logging

COMMANDS: Mapping[str, tuple[str, str]] = {
    "adapt": ("inspector.cli.adapting", "Teaches a checkpoint a new recipe, if it keeps the old ones."),
    "bench": ("inspector.cli.benching", "Measures what this machine makes of a bundle."),
    "check": ("inspector.cli.check", "Explains what a configuration means and what is wrong with it."),
    "compile": ("inspector.cli.compiling", "Makes a bundle ready for the GPUs or CPUs it will run on."),
    "demo": ("inspector.cli.demo", "Runs a simulated line through the service and shows its verdicts."),
    "deploy": ("inspector.cli.deploying", "Has a bundle judge the running line, or be tried on it."),
    "deployments": ("inspector.cli.deploying", "Shows what judged when, and how far the workers are."),
    "distil": ("inspector.cli.adapting", "Puts a small student in the place of a checkpoint's expert."),
    "doctor": ("inspector.cli.doctor", "Says what this machine can run, and why not."),
    "evaluate": ("inspector.cli.training", "Judges a data set with a bundle and reports the figures."),
    "export": ("inspector.cli.training", "Turns a training checkpoint into a bundle."),
    "feedback": ("inspector.cli.watch", "Files what a person found about a piece."),
    "fit": ("inspector.cli.fitting", "Makes a bundle from good pieces alone: a cold start."),
    "gateway": ("inspector.cli.serving", "Serves verdicts over gRPC."),
    "parity": ("inspector.cli.parity", "Counts decisions of a bundle's engines that differ from torch's."),
    "plausibility": ("inspector.cli.plausibility", "Gives a bundle limits within which sources are believed."),
    "replay": ("inspector.cli.replay", "Publishes a data set as a line would."),
    "rollback": ("inspector.cli.deploying", "Ends a trial, or has judge again what judged before."),
    "serve": ("inspector.cli.serving", "Runs worker, gateway and metrics in one process."),
    "simulate": ("inspector.cli.simulate", "Makes a synthetic line: a data set, or records into the log."),
    "topics": ("inspector.cli.topics", "Creates or checks the topics on Kafka."),
    "train": ("inspector.cli.training", "Trains a model on a data set and exports its bundle."),
    "verdict": ("inspector.cli.watch", "Prints the recent verdict of one piece as JSON."),
    "watch": ("inspector.cli.watch", "Shows verdicts as they come, in a table."),
    "worker": ("inspector.cli.serving", "Judges pieces, without a gateway."),
}
_TRAINING = ("torch", "torchvision", "timm", "peft", "librosa", "sklearn", "onnxscript", "safetensors")


class LazyGroup(click.Group):
    """A group that knows its commands by name and help, and imports them when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = COMMANDS[cmd_name][0]
        try:
            quiet_grpc(ctx.params.get("log_level", "info"))  # click imports the command before it calls `main`
            command = getattr(importlib.import_module(module), cmd_name)
        except ModuleNotFoundError as exc:
            raise click.ClickException(_missing(cmd_name, exc.name or "")) from exc
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{cmd_name} is {command!r}, expected a click command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        with unusable_files_reported():
            return super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


def _missing(command: str, module: str) -> str:
    name = module.partition(".")[0]
    if name in _TRAINING:
        return f"`{command}` needs {name}, which is part of the training half: in the checkout, pip install '.[train]'"
    if name == "openvino":
        return f"`{command}` needs openvino: in the checkout, pip install '.[openvino]'"
    if name in ("onnx", "ml_dtypes"):
        return f"`{command}` needs {name}: in the checkout, pip install '.[compile]'"
    return f"`{command}` needs the module {module}, which is not installed: install inspector anew"


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="inspector")
@click.option("--log-level", type=click.Choice(LEVELS), default="info", show_default=True)
@click.option("--log-json", is_flag=True, help="Log one JSON object a line, for machines.")
def main(log_level: str, log_json: bool) -> None:
    """Judges pieces by what cameras see and sensors hear: one verdict per inspection."""
    setup_logging(log_level, as_json=log_json)
