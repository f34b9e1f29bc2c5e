"""White box: regressors and losses against golden numbers of the published code; comparisons of
features (Equation 5).
"""

import pytest
import torch

from ckdlib import losses, methods
from ckdlib.errors import InputError
from ckdlib.methods import Batch
from tests.losses.test_losses import close, golden

CASES = ["half", "double", "same", "valid"]
SIZES = ["same", "student_larger", "teacher_larger", "student_larger_uneven"]
LEVELS = range(1, 4)  # inner feature maps of the golden vectors' five levels


def with_parameters(module, values, prefix):
    """`module` in float64 with the golden parameters and buffers of that prefix."""
    names = {name: f"{prefix}{name.replace('.', '_')}" for name in module.state_dict()}
    module.double().load_state_dict({name: values[key] for name, key in names.items()})
    return module


def hint(values, prefix, student, teacher):
    return with_parameters(
        losses.FitNets(tuple(student.shape[1:]), tuple(teacher.shape[1:])), values, prefix
    )


def check_parameters(module, values, prefix):
    """Gradients against golden ones; that of a bias before a batch norm is zero up to rounding in
    both.
    """
    for name, parameter in module.named_parameters():
        expected = values[f"{prefix}{name.replace('.', '_')}"]
        if name == "conv.bias":
            assert parameter.grad.abs().max() < 1e-12 and expected.abs().max() < 1e-12
        else:
            close(parameter.grad, expected)


@pytest.mark.parametrize("case", CASES)
def test_golden_hint(case):
    g = golden("hint")
    student, teacher = g[f"{case}_student_feature"].requires_grad_(), g[f"{case}_teacher_feature"]
    module = hint(g, f"{case}_param_", student, teacher)
    loss = module(student, teacher)
    loss.backward()
    close(loss, g[f"{case}_loss"])
    close(student.grad, g[f"{case}_grad_student"])
    check_parameters(module, g, f"{case}_grad_param_")
    close(module.bn.running_mean, g[f"{case}_running_mean_after"])
    close(module.bn.running_var, g[f"{case}_running_var_after"])
    close(
        module.eval()(student, torch.zeros_like(teacher)),
        g[f"{case}_eval_output_after"].square().mean(),
    )


@pytest.mark.parametrize("case", SIZES)
def test_golden_vid(case):
    g = golden("vid")
    student, teacher = g[f"{case}_student_feature"].requires_grad_(), g[f"{case}_teacher_feature"]
    fresh = losses.VID(student.shape[1], teacher.shape[1]).double()
    torch.testing.assert_close(
        fresh.log_scale.detach(), g[f"{case}_log_scale_initial"], rtol=1e-6, atol=0
    )
    module = with_parameters(fresh, g, f"{case}_param_")
    loss = module(student, teacher)
    loss.backward()
    close(loss, g[f"{case}_loss"])
    close(student.grad, g[f"{case}_grad_student"])
    check_parameters(module, g, f"{case}_grad_param_")


@pytest.mark.parametrize("kind", ["hint", "vid"])
@pytest.mark.parametrize("groups", ["n2", "n3"])
def test_golden_comparative_features(groups, kind):
    g = {
        name.removeprefix(f"{groups}_"): value
        for name, value in golden("whitebox_ckd").items()
        if name.startswith(groups)
    }
    leaves = {
        name: value.requires_grad_()
        for name, value in g.items()
        if name.startswith(("pos_student", "neg_student"))
    }

    def group(what):
        """[2, B, ...]: the means of the first and of the second group, as a batch of pairs holds
        them.
        """
        return torch.stack([(leaves | g)[f"{side}_{what}"].mean(1) for side in ("pos", "neg")])

    student, teacher = (
        [group(f"{net}_feature{level}") for level in LEVELS] for net in ("student", "teacher")
    )
    classes = g["pos_student_logits"].shape[-1]
    problem = methods.Problem(
        classes, 12, 2, *([tuple(level.shape[2:]) for level in maps] for maps in (student, teacher))
    )
    method = methods.get(f"{ {'hint': 'fitnets', 'vid': 'vid'}[kind] }+ckd")
    helpers, name = method.helpers(problem), {"hint": "fitnets", "vid": "vid"}[kind]
    modules = [helpers[name]] if kind == "hint" else list(helpers[name])
    prefixes = ["hint_param_"] if kind == "hint" else [f"vid_param_{level}_" for level in range(3)]
    for module, prefix in zip(modules, prefixes, strict=True):
        with_parameters(module, g, prefix)
    labels = torch.stack([g[f"{side}_labels"][:, 0] for side in ("pos", "neg")])
    batch = Batch(
        labels,
        labels,
        group("teacher_logits"),
        group("student_logits"),
        torch.tensor(0.0),
        labels[0],
        helpers,
        torch.Generator(),
        student,
        teacher,
    )
    terms = method.loss(batch)
    inner = terms[name] / g[f"{kind}_w_inter"]
    close(inner, g[f"{kind}_loss_inter"])
    close(terms["teacher"], g["loss_rel"])
    if groups == "n2":  # a batch holds one label an image; groups of two have mean labels
        close(sum(terms.values()), g[f"{kind}_loss_total"])
        sum(terms.values()).backward()
        for leaf, expected in (
            (leaves[key.removeprefix(f"{kind}_grad_")], value)
            for key, value in g.items()
            if key.startswith((f"{kind}_grad_pos", f"{kind}_grad_neg"))
        ):
            close(leaf.grad, expected)
        for module, prefix in zip(modules, prefixes):
            check_parameters(module, g, prefix.replace("_param", "_grad_param"))


def test_maps_that_cannot_be_matched():
    with pytest.raises(
        InputError, match="a student's map of 5x5 cannot be matched to a teacher's of 8x8"
    ):
        losses.FitNets((4, 5, 5), (4, 8, 8))
    with pytest.raises(InputError, match="3 inner feature maps and the teacher 4"):
        methods.get("vid").helpers(methods.Problem(10, 5, 2, [(4, 8, 8)] * 3, [(4, 8, 8)] * 4))


@pytest.mark.parametrize("dims", [3, 11, 200])
def test_pooled_comparisons_need_a_divisor(dims):
    with pytest.raises(
        InputError,
        match=f"rkd_{dims} cannot pool 10 classes; choose from rkd_1, rkd_2, rkd_5, rkd_10",
    ):
        methods.get(f"rkd_{dims}").helpers(methods.Problem(10, 5))
