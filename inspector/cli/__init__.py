"""Turns a command line into a call of one command. Imports a command's module only when that command is called,
so that `inspector --help` needs neither models nor a broker's client."""

import importlib
from collections.abc import Mapping

import click

from inspector.cli.files import report_unusable_files
from inspector.cli.logs import LEVELS, quiet_grpc, setup_logging

COMMANDS: Mapping[str, tuple[str, str]] = {
    "adapt": ("inspector.cli.adapting", "Adapts a checkpoint to a new recipe, if no old one loses."),
    "bench": ("inspector.cli.benching", "Measures how fast this machine runs a bundle."),
    "check": ("inspector.cli.check", "Explains a configuration and lists its problems."),
    "compile": ("inspector.cli.compiling", "Compiles a bundle for the GPUs or CPUs that it will run on."),
    "demo": ("inspector.cli.demo", "Runs a simulated line through the service and shows its verdicts."),
    "deploy": ("inspector.cli.deploying", "Deploys a bundle to the running line, live or on trial."),
    "deployments": ("inspector.cli.deploying", "Shows the history of deployments and the status of workers."),
    "distil": ("inspector.cli.adapting", "Replaces an expert of a checkpoint by a small student."),
    "doctor": ("inspector.cli.doctor", "Lists what this machine can run, with remedies."),
    "evaluate": ("inspector.cli.training", "Judges a data set with a bundle and reports the figures."),
    "export": ("inspector.cli.training", "Turns a training checkpoint into a bundle."),
    "feedback": ("inspector.cli.watch", "Records a person's finding about a piece."),
    "fit": ("inspector.cli.fitting", "Makes a bundle from good pieces alone, for a new line."),
    "floor": ("inspector.cli.floor", "Runs archive, alerts and live page, without judging."),
    "gateway": ("inspector.cli.serving", "Serves verdicts over gRPC."),
    "parity": ("inspector.cli.parity", "Counts decisions of a bundle's engines that differ from torch's."),
    "plausibility": ("inspector.cli.plausibility", "Learns a bundle's limits of plausible recordings."),
    "replay": ("inspector.cli.replay", "Publishes a data set as a line would."),
    "rollback": ("inspector.cli.deploying", "Ends a trial, or returns to the previous deployment."),
    "serve": ("inspector.cli.serving", "Runs the whole service with one command."),
    "simulate": ("inspector.cli.simulate", "Simulates a line: as a data set, or into the log."),
    "topics": ("inspector.cli.topics", "Creates or checks the topics on Kafka."),
    "train": ("inspector.cli.training", "Trains a model on a data set and exports its bundle."),
    "verdict": ("inspector.cli.watch", "Prints the recent verdict of one piece as JSON."),
    "watch": ("inspector.cli.watch", "Shows verdicts as they come, in a table."),
    "worker": ("inspector.cli.serving", "Judges pieces, without a gateway."),
}
_TRAINING = ("torch", "torchvision", "timm", "peft", "librosa", "sklearn", "onnxscript", "safetensors")


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
            command = getattr(importlib.import_module(module), cmd_name)
        except ModuleNotFoundError as exc:
            raise click.ClickException(_missing(cmd_name, exc.name or "")) from exc
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{cmd_name} is {command!r}, expected a click command")
        return command

    def invoke(self, ctx: click.Context) -> object:
        with report_unusable_files():
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
    """Inspects pieces with cameras and sensors: one verdict per inspection."""
    setup_logging(log_level, as_json=log_json)
