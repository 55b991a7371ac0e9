"""`eddyline lineage`: what something came from and what came of it, as a tree and as a picture."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.tree import Tree

    from pipeline.catalogue import Catalogue
    from pipeline.lineage.graph import Reached
    from pipeline.lineage.nodes import Node
    from pipeline.lineage.standing import Standing

MOST_SHOWN = 300
"""Things in a tree."""
_COLOURS = {"withdrawn": "red", "withdrawn in part": "yellow", "refused": "yellow", "failed": "yellow"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("lineage")(lineage)


def lineage(
    named: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Of a model, generator, dataset, report, evaluation, request, window or alert (its model), or the "
            "beginning of it.",
        ),
    ],
    up: Annotated[bool, typer.Option("--up", help="Only what it came from.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what came of it.")] = False,
    picture: Annotated[Path | None, typer.Option(help="Draw it into this file, .svg or .png.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of trees.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file; eddyline.yaml by default.")] = None,
) -> None:
    """Show which window of the archive made which model and generator, and what came of those.

    Example: eddyline lineage 3f2a --picture lineage.svg
    """
    from rich.console import Console

    from pipeline.commands.context import load
    from pipeline.lineage.recorded import fill, found_node, lineage_of
    from pipeline.lineage.standing import standings

    context, console = load(config), Console(soft_wrap=True)
    catalogue = context.catalogue()
    node = found_node(catalogue, named)
    both = up == down
    most = MOST_SHOWN if not as_json else 10 * MOST_SHOWN
    reached = lineage_of(catalogue, node, up=both or up, down=both or down, most=most)
    if _unrooted(reached) and fill(catalogue, _stream_of(catalogue, node, reached)):
        reached = lineage_of(catalogue, node, up=both or up, down=both or down, most=most)
    found = standings(catalogue, reached)
    if picture is not None:
        _draw(picture, reached, found, node)
    if as_json:
        typer.echo(json.dumps(_document(node, reached, found), indent=2))
        return
    if both or up:
        console.print(tree_of(node, reached, found, upwards=True))
    if both or down:
        console.print(tree_of(node, reached, found, upwards=False))
    if not reached.whole:
        console.print(f"more than {most:,} things: `--json`, or begin further along", style="yellow")
    if picture is not None:
        console.print(f"drawn: {picture}")


def _unrooted(reached: "Reached") -> bool:
    """Whether something other than a window came from nothing: its edges were not kept yet when it was made."""
    have = {(edge.child_kind, edge.child_id) for edge in reached.edges}
    return any(node.kind != "window" and (node.kind, node.id) not in have for node in reached.nodes)


def _stream_of(catalogue: "Catalogue", node: "Node", reached: "Reached") -> str:
    from pipeline.lineage.recorded import stream_of

    return next((edge.stream for edge in reached.edges), None) or stream_of(catalogue, node)


def _draw(picture: Path, reached: "Reached", found: "Mapping[Node, Standing]", node: "Node") -> None:
    from pipeline.lineage.layout import laid_out
    from pipeline.lineage.picture import write_picture

    write_picture(picture, laid_out(reached), found, root=node)


def tree_of(root: "Node", reached: "Reached", found: "Mapping[Node, Standing]", *, upwards: bool) -> "Tree":
    """What a node came from, or what came of it. What was shown already is shown again without what is below it."""
    from rich.tree import Tree

    from pipeline.lineage.graph import child_of, parent_of, without_shortcuts

    below: dict[Node, list[Node]] = {}
    for edge in without_shortcuts(reached.edges):
        one, other = (child_of(edge), parent_of(edge)) if upwards else (parent_of(edge), child_of(edge))
        below.setdefault(one, []).append(other)
    tree = Tree(f"{line_of(found[root])}  [dim]{'came from' if upwards else 'gave'}[/]")
    shown, waiting = {root}, [(root, tree)]
    while waiting:
        node, branch = waiting.pop(0)
        for other in below.get(node, []):
            again = other in shown and below.get(other)
            twig = branch.add(line_of(found[other]) + ("  [dim](shown above)[/]" if again else ""))
            if other not in shown:
                shown.add(other)
                waiting.append((other, twig))
    if not below.get(root):
        tree.add("[dim]nothing that is known[/]")
    return tree


def line_of(standing: "Standing") -> str:
    """A thing in one line."""
    from rich.markup import escape

    colour = _COLOURS.get(standing.status, "green")
    status = f" [{colour}]{escape(standing.status)}[/]" if standing.status else ""
    why = f" [dim]({escape(standing.why)})[/]" if standing.why else ""
    return f"[bold]{standing.node.kind}[/] {escape(standing.node.id)}{status} {escape(standing.what)}{why}"


def _document(node: "Node", reached: "Reached", found: "Mapping[Node, Standing]") -> dict[str, Any]:
    def thing(one: "Node") -> dict[str, str]:
        standing = found[one]
        return {"kind": one.kind, "id": one.id, "what": standing.what, "status": standing.status, "why": standing.why}

    edges: Sequence[Any] = reached.edges
    return {
        "of": {"kind": node.kind, "id": node.id},
        "whole": reached.whole,
        "things": [thing(one) for one in reached.nodes],
        "edges": [
            {
                "parent": {"kind": edge.parent_kind, "id": edge.parent_id},
                "child": {"kind": edge.child_kind, "id": edge.child_id},
                "made_ms": edge.made_ms,
                "facts": edge.facts,
            }
            for edge in edges
        ],
    }
