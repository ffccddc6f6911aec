import pytest
import torch

from priordiff.images.metrics import LinearProbe


def classes_of(num_classes, items, size, seed=0, spread=0.5):
    """Features around a centre for each class."""
    centres = torch.randn(num_classes, size, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(num_classes).repeat(items)
    noise = torch.randn(len(labels), size, generator=torch.Generator().manual_seed(seed + 1))
    return centres[labels] + spread * noise, labels


@pytest.mark.parametrize(("items", "size"), [(3, 400), (20, 30)])
def test_many_classes_are_learned_from_few_images_each(items, size):
    features, labels = classes_of(100, items, size)
    probe = LinearProbe.fit(features, labels)
    assert probe.accuracy(*classes_of(100, 2, size, seed=7)) > 0.95


def test_features_without_classes_are_guessed():
    features, labels = (
        torch.randn(200, 20, generator=torch.Generator().manual_seed(0)),
        torch.arange(200) % 10,
    )
    others = torch.randn(1000, 20, generator=torch.Generator().manual_seed(1))
    assert LinearProbe.fit(features, labels).accuracy(others, torch.arange(1000) % 10) < 0.2


def test_accuracy_is_the_share_that_is_predicted():
    features, labels = classes_of(4, 10, 20, spread=0.01)
    probe = LinearProbe.fit(features, labels)
    assert torch.equal(probe.predict(features), labels)
    wrong = labels.clone()
    wrong[:10] = (wrong[:10] + 1) % 4
    assert probe.accuracy(features, wrong) == 0.75


def test_labels_may_be_any_integers():
    features, labels = classes_of(3, 10, 20, spread=0.01)
    names = torch.tensor([-5, 1000, 7])
    probe = LinearProbe.fit(features, names[labels])
    assert probe.classes.tolist() == [-5, 7, 1000]
    assert torch.equal(probe.predict(features), names[labels])


@pytest.mark.parametrize(("items", "size"), [(4, 60), (15, 8)])
def test_the_penalty_is_the_one_that_predicts_each_image_best_from_the_others(items, size):
    features, labels = classes_of(3, items, size, spread=4.0)
    features = features.double()
    probe = LinearProbe.fit(features, labels)
    one_hot = torch.nn.functional.one_hot(labels).double()

    def ridge(x, y, penalty):
        mean = x.mean(0)
        scatter = (x - mean).T @ (x - mean) + penalty * torch.eye(size)
        weight = torch.linalg.solve(scatter, (x - mean).T @ (y - y.mean(0)))
        return weight, y.mean(0) - mean @ weight

    weight, bias = ridge(features, one_hot, probe.penalty)
    assert torch.allclose(probe.weight, weight, atol=1e-8)
    assert torch.allclose(probe.bias, bias, atol=1e-8)

    def left_out_error(penalty):
        total = 0.0
        for i in range(len(features)):
            others = torch.arange(len(features)) != i
            weight, bias = ridge(features[others], one_hot[others], penalty)
            total += (features[i] @ weight + bias - one_hot[i]).square().sum().item()
        return total

    best = left_out_error(probe.penalty)
    assert best <= left_out_error(probe.penalty * 10**0.5)
    assert best <= left_out_error(probe.penalty / 10**0.5)


def test_learning_is_deterministic_and_blind_to_order_and_scale():
    features, labels = classes_of(5, 6, 40, spread=2.0)
    others, _ = classes_of(5, 20, 40, seed=3, spread=2.0)
    predicted = LinearProbe.fit(features, labels).predict(others)
    assert torch.equal(LinearProbe.fit(features, labels).predict(others), predicted)
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    assert torch.equal(LinearProbe.fit(features[order], labels[order]).predict(others), predicted)
    scaled = LinearProbe.fit(1000 * features + 1, labels)
    assert torch.equal(scaled.predict(1000 * others + 1), predicted)


def test_features_that_are_all_alike_are_taken_for_the_most_frequent_class():
    probe = LinearProbe.fit(torch.ones(5, 3), torch.tensor([0, 1, 1, 1, 2]))
    assert probe.predict(torch.ones(2, 3)).tolist() == [1, 1]


def test_bad_input_is_named():
    features, labels = classes_of(3, 4, 5)
    for arguments, message in [
        ((features, labels[:5]), r"labels have shape \(5,\).*expected one integer for each of 12"),
        ((features, labels.float()), "torch.float32"),
        ((features, 0 * labels + 8), "all 12 labels are 8: expected at least two classes"),
        ((features[:1], labels[:1]), "there are 1 images"),
        ((features / 0, labels), "60 NaN or infinite"),
    ]:
        with pytest.raises(ValueError, match=message):
            LinearProbe.fit(*arguments)
    probe = LinearProbe.fit(features, labels)
    with pytest.raises(ValueError, match=r"not learned the labels \[7, 9\]: expected some of its 3 classes"):
        probe.accuracy(features[:3], torch.tensor([7, 1, 9]))
    with pytest.raises(ValueError, match="4 dimensions"):
        probe.predict(features[:, :4])
