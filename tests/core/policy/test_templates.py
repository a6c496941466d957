"""The predicate library is checked before use, and every template does what its example says."""

from __future__ import annotations

import json

import pytest

from rtgf_node.core.policy import merge, predicates, templates
from rtgf_node.core.policy.templates import Library
from rtgf_node.core.snapshot import Citation, Clause
from rtgf_node.errors import Code, RtgfError
from tests import contexts, worlds

LIBRARY = worlds.library()
EXAMPLES = [
    pytest.param(name, index, id=f"{name}-{index}")
    for name, template in sorted(LIBRARY.templates.items())
    for index in range(len(template.examples))
]


def clause(template, params, *, kind=None, **changes):
    return Clause(
        clause_id="test.clause",
        kind=kind or LIBRARY.templates[template].kinds[0],
        template=template,
        params=params,
        applies_to=changes.pop("applies_to", "both"),
        citation=Citation(ref="law", article="1"),
        **changes,
    )


def compiled(held):
    return predicates.compile_clause(held, jurisdiction="EU", domain="test", library=LIBRARY)


def test_the_manifest_is_the_one_of_these_files():
    files = worlds.library_files()
    due = json.loads(templates.manifest_of(files, version=LIBRARY.version))
    held = json.loads(files["manifest.json"])
    assert len(held.pop("signatures")) == 1
    assert held == due, "sign the library again: rtgf library sign"


SPECIFIED = {
    "amount_threshold_review",
    "currency_amount_cap",
    "cut_off_window",
    "data_residency",
    "due_diligence",
    "human_oversight",
    "legal_basis",
    "licence_required",
    "prohibited_instrument",
    "prohibited_party_kind",
    "proof_requirement",
    "record_retention",
    "reporting_deadline",
    "risk_class_ban",
    "sanctions_screening",
    "transfer_mechanism",
    "transparency_notice",
    "travel_rule_information",
}


def test_every_template_of_the_specification_is_there():
    assert set(LIBRARY.templates) >= SPECIFIED


@pytest.mark.parametrize("name", sorted(worlds.library_files()))
def test_a_changed_file_is_refused(name):
    files = worlds.library_files()
    files[name] = files[name].replace(b"2026", b"2027").replace(b'"description"', b'"descriptioN"')
    if files[name] == worlds.library_files()[name]:
        pytest.fail("the test must change the file")
    if name == "manifest.json":
        # The manifest is what is trusted; another one is another library, with another digest.
        assert Library.load(files).digest != LIBRARY.digest
        return
    with pytest.raises(RtgfError, match=name) as refusal:
        Library.load(files)
    assert refusal.value.code is Code.RTGF_BUILD_HASH_MISMATCH


@pytest.mark.parametrize("name", ["record_retention.json", "control_catalogue.json"])
def test_a_missing_file_is_refused(name):
    files = worlds.library_files()
    del files[name]
    with pytest.raises(RtgfError) as refusal:
        Library.load(files)
    assert refusal.value.code is Code.RTGF_BUILD_HASH_MISMATCH


def test_a_file_that_the_manifest_does_not_list_is_refused():
    with pytest.raises(RtgfError, match="not in the manifest"):
        Library.load({**worlds.library_files(), "extra.json": b"{}"})


def changed(name, change):
    """The library's files with one template changed, and a manifest that lists it so."""
    files = worlds.library_files()
    document = json.loads(files[name])
    change(document)
    files[name] = json.dumps(document).encode()
    files["manifest.json"] = templates.manifest_of(files, version="test")
    return files


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t["params"]["minimum_period"].update(merge="deadline"),
        lambda t: t["params"]["minimum_period"].update(type="decimal"),
        lambda t: t.update(name="another"),
        lambda t: t.update(surprise=1),
        lambda t: t.update(at_least_one=["nothing"]),
    ],
    ids=["merge", "type", "name", "unknown-member", "undeclared"],
)
def test_a_template_that_is_not_right_is_refused(change):
    with pytest.raises(RtgfError) as refusal:
        Library.load(changed("record_retention.json", change))
    assert refusal.value.code is Code.RTGF_MAP_EXPRESSION_INVALID


def test_a_rank_whose_levels_are_ordered_otherwise_is_refused():
    def reorder(template):
        template["params"]["level"]["choices"].reverse()

    with pytest.raises(RtgfError, match="orders its levels"):
        Library.load(changed("due_diligence.json", reorder))


@pytest.mark.parametrize("name", sorted(LIBRARY.templates))
def test_every_parameter_has_its_row_in_the_merge_registry(name):
    template = LIBRARY.templates[name]
    assert all(merge.row(name, parameter) is not None for parameter in template.params)


def test_every_row_of_the_merge_registry_is_a_parameter_of_a_template():
    declared = {f"{t.name}.{p}" for t in LIBRARY.templates.values() for p in t.params}
    assert set(merge.PARAMETERS) == declared


@pytest.mark.parametrize(("name", "index"), EXAMPLES)
def test_every_worked_example_comes_out_as_it_says(name, index):
    example = LIBRARY.templates[name].examples[index]
    predicate = compiled(
        clause(name, example.params, kind=example.kind, applies_to=example.applies_to)
    )
    context = json.loads(json.dumps(example.context).replace("Listed Person", contexts.LISTED))
    decision = contexts.decide_on([predicate], context, at=example.at or contexts.NOW)
    assert decision.decision == example.decision
    assert decision.reasons == example.reasons


@pytest.mark.parametrize("name", sorted(LIBRARY.templates))
def test_every_template_shows_a_context_that_it_does_not_permit(name):
    assert any(example.decision != "PERMIT" for example in LIBRARY.templates[name].examples)


@pytest.mark.parametrize("name", sorted(LIBRARY.templates))
def test_an_empty_context_is_never_permitted(name):
    example = LIBRARY.templates[name].examples[0]
    predicate = compiled(clause(name, example.params, kind=example.kind))
    assert contexts.decide_on([predicate], {}).decision != "PERMIT"


def test_a_template_that_does_not_exist():
    with pytest.raises(RtgfError, match="no template 'tea_ceremony'") as refusal:
        compiled(clause("tea_ceremony", {}, kind="obligation"))
    assert refusal.value.code is Code.RTGF_MAP_PREDICATE_TEMPLATE_MISSING
    assert refusal.value.pointer == "/template"


@pytest.mark.parametrize(
    ("template", "kind"),
    [("", "control"), ("unmapped", "obligation"), ("reporting_deadline", "control")],
)
def test_a_clause_that_no_template_serves(template, kind):
    """RTGF-CT-71: an unsupported clause is refused as such."""
    with pytest.raises(RtgfError) as refusal:
        compiled(clause(template, {}, kind=kind))
    assert refusal.value.code is Code.RTGF_MAP_UNSUPPORTED_CLAUSE


EUR = {"value": "1000.00", "currency": "EUR"}
SCREENING = {"lists": ["un-sc"], "threshold": "0.98", "parties": ["originator"]}
REVIEW = {"threshold": EUR, "comparison": "gt", "control": "ENHANCED_REVIEW"}


@pytest.mark.parametrize(
    ("template", "params", "place"),
    [
        ("record_retention", {}, "/params/minimum_period"),
        ("record_retention", {"minimum_period": 5}, "/params/minimum_period"),
        ("record_retention", {"minimum_period": "5Y"}, "/params/minimum_period"),
        ("record_retention", {"minimum_period": "P1Y6D"}, "/params/minimum_period"),
        ("record_retention", {"minimum_period": "P5Y", "colour": "red"}, "/params/colour"),
        ("amount_threshold_review", {**REVIEW, "threshold": "1000.00"}, "/params/threshold"),
        (
            "amount_threshold_review",
            {**REVIEW, "threshold": {**EUR, "value": 1}},
            "/params/threshold",
        ),
        (
            "amount_threshold_review",
            {**REVIEW, "threshold": {**EUR, "currency": "eur"}},
            "/params/threshold",
        ),
        ("amount_threshold_review", {**REVIEW, "comparison": ">"}, "/params/comparison"),
        ("sanctions_screening", {**SCREENING, "lists": []}, "/params/lists"),
        ("sanctions_screening", {**SCREENING, "lists": ["un-sc", "un-sc"]}, "/params/lists"),
        *(
            ("sanctions_screening", {**SCREENING, "threshold": score}, "/params/threshold")
            for score in (0.9, "-0.1", "0.981", "1", "92")
        ),
        ("sanctions_screening", {**SCREENING, "parties": ["butler"]}, "/params/parties"),
        ("due_diligence", {"party": "originator", "level": "deluxe"}, "/params/level"),
        ("prohibited_instrument", {"instruments": ["cash", "Crypto"]}, "/params"),
        ("prohibited_party_kind", {"party": "originator", "kinds": ["Natural"]}, "/params"),
        ("risk_class_ban", {"classes": ["Unacceptable"]}, "/params"),
        ("transfer_safeguard", {"mechanisms": ["SCC"], "control": "ENHANCED_REVIEW"}, "/params"),
        (
            "due_diligence",
            {"party": "originator", "level": "standard", "threshold": EUR},
            "/params",
        ),
        ("data_residency", {}, "/params"),
        ("data_residency", {"allowed": ["Atlantis"]}, "/params/allowed"),
    ],
)
def test_a_parameter_that_is_not_of_its_type(template, params, place):
    with pytest.raises(RtgfError) as refusal:
        compiled(clause(template, params))
    assert refusal.value.code is Code.RTGF_POL_MATRIX_SCHEMA_INVALID
    assert refusal.value.pointer == place


def test_a_control_outside_the_catalogue():
    """RTGF-CT-72: an unknown control is refused, as a parameter and as the clause's own."""
    for held, place in (
        (clause("amount_threshold_review", {**REVIEW, "control": "DANCE"}), "/params/control"),
        (clause("amount_threshold_review", REVIEW, control_id="DANCE"), "/control_id"),
    ):
        with pytest.raises(RtgfError, match="'DANCE'") as refusal:
            compiled(held)
        assert refusal.value.code is Code.RTGF_MAP_CONTROL_UNKNOWN
        assert refusal.value.pointer == place


@pytest.mark.parametrize(
    ("comparison", "amount", "decision"),
    [
        ("gt", "1000.00", "PERMIT"),
        ("gt", "1000.01", "PERMIT_WITH_CONTROLS"),
        ("gte", "999.99", "PERMIT"),
        ("gte", "1000.00", "PERMIT_WITH_CONTROLS"),
    ],
)
@pytest.mark.parametrize("foreign", [False, True])
def test_the_boundary_is_the_one_the_law_names(comparison, amount, decision, foreign):
    predicate = compiled(clause("amount_threshold_review", {**REVIEW, "comparison": comparison}))
    stated = {"value": amount, "currency": "EUR"}
    context = {"amount": stated}
    if foreign:
        context = {
            "amount": {"value": "5.00", "currency": "SGD"},
            "amount_equivalents": {"EUR": stated},
        }
    assert contexts.decide_on([predicate], context).decision == decision


@pytest.mark.parametrize(
    ("equivalents", "reason"),
    [
        (None, "INPUT_MISSING:amount_equivalents.EUR"),
        ({}, "INPUT_MISSING:amount_equivalents.EUR"),
        ({"EUR": {"value": "5.00", "currency": "SGD"}}, "CURRENCY_MISMATCH:amount_equivalents.EUR"),
        ({"EUR": 5}, "TYPE_MISMATCH:amount_equivalents.EUR"),
        ({"EUR": {"value": "-5.00", "currency": "EUR"}}, "TYPE_MISMATCH:amount_equivalents.EUR"),
    ],
)
def test_an_amount_that_cannot_be_compared_is_denied(equivalents, reason):
    predicate = compiled(clause("amount_threshold_review", REVIEW))
    context = {"amount": {"value": "5.00", "currency": "SGD"}}
    if equivalents is not None:
        context["amount_equivalents"] = equivalents
    decision = contexts.decide_on([predicate], context)
    assert (decision.decision, decision.reasons, decision.error) == ("DENY", (reason,), True)


def test_a_list_that_cannot_be_asked_denies():
    predicate = compiled(
        clause(
            "sanctions_screening",
            {"lists": ["un-sc"], "threshold": "0.9", "parties": ["originator"]},
        )
    )
    document = {"predicate_set": [predicate], "eval_plan": contexts.plan.make([predicate])}
    decision = contexts.decide.decide(
        document, {"originator": {"name": "A"}}, at=contexts.NOW, resolvers={}
    )
    assert decision.reasons == ("RESOLVER_ERROR:sanctions",)
    assert decision.decision == "DENY"


@pytest.mark.parametrize(
    ("template", "params", "context"),
    [
        ("prohibited_instrument", {"instruments": ["cash"]}, {"instrument": "Cash"}),
        (
            "prohibited_party_kind",
            {"party": "beneficiary", "kinds": ["shell_bank"]},
            {"beneficiary": {"kind": "Shell_Bank"}},
        ),
        ("risk_class_ban", {"classes": ["unacceptable"]}, {"risk_class": "unacceptable "}),
        ("data_residency", {"prohibited": ["RU"]}, {"data_location": "ru"}),
        ("data_residency", {"prohibited": ["UK"]}, {"data_location": "GB"}),
    ],
)
def test_what_is_prohibited_is_so_however_it_is_written(template, params, context):
    rule = worlds.clause("ban", kind="prohibition", template=template, params=params)
    rules = predicates.compile_snapshot(
        contexts.as_snapshot(worlds.document(clauses=[rule])), worlds.library()
    ).predicates
    assert contexts.decide_on(rules, context).decision == "DENY"
