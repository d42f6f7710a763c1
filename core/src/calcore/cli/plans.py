"""Plans as text."""

from collections.abc import Iterable, Iterator, Sequence

from calcore.run import ProductPlan, SlotPlan


def grouped(plans: Iterable[ProductPlan]) -> list[list[ProductPlan]]:
    """Return the plans in groups whose slots agree in everything, in order of appearance."""
    groups: list[list[ProductPlan]] = []
    for plan in plans:
        for group in groups:
            first = group[0]
            if (first.pipeline, first.exposure_type) == (plan.pipeline, plan.exposure_type) and (
                first.slots == plan.slots and first.notes == plan.notes
            ):
                group.append(plan)
                break
        else:
            groups.append([plan])
    return groups


def lines_of(
    products: Sequence[ProductPlan], *, brief: bool = False, docs: bool = False
) -> Iterator[str]:
    """Return the lines that describe products with the same slots.

    Parameters
    ----------
    products : sequence of ProductPlan
        Not empty; one group of `grouped`.
    brief : bool
        Leave settings and reference files out.
    docs : bool
        Add what each setting means.
    """
    first = products[0]
    yield f"{first.pipeline}  {first.instrument} {first.exposure_type}".rstrip()
    for product in products:
        yield f"  {product.name}"
        yield f"    from  {', '.join(path.name for path in product.inputs)}"
        yield f"    to    {', '.join(str(path) for path in product.outputs)}"
        if product.error:
            yield f"    cannot be made: {product.error}"
    for note in first.notes:
        yield f"  note: {note}"
    for slot in first.slots:
        yield from _slot_lines(slot, brief=brief, docs=docs)


def _slot_lines(slot: SlotPlan, *, brief: bool, docs: bool) -> Iterator[str]:
    use = "" if slot.use == slot.name else f"{slot.use} of "
    how = "whole frames" if slot.by_rows is None else "bands of rows"
    if slot.by_rows:
        how += f" and {slot.by_rows} beyond"
    doing = f"skipped: {slot.skip}" if slot.skip else how
    yield f"  {slot.name:<22} {use}{slot.source}  {doing}"
    if brief or slot.skip:
        return
    for kind, choice in slot.references.items():
        yield f"      {kind}: {choice.path}  ({choice.origin})"
    for name, value in slot.settings.items():
        unit = f" {value.unit}" if value.unit else ""
        yield f"      {name} = {value.value!r}{unit}  ({value.origin})"
        if docs and value.doc:
            limits = f" {value.limits}" if value.limits else ""
            yield f"          {value.doc}{limits}"
