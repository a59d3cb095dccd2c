# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Dynamic N-grams: how close to optimal?
#
# [Open in Colab](https://colab.research.google.com/github/ntm-tutorial/ntm-tutorial/blob/main/notebooks/10_dynamic_ngrams.ipynb)
#
# **You will be able to**
#
# - predict bits by counting, and derive the best prediction there is in four lines;
# - compare models with each other and with the optimum on the same sequences, with a standard error that means something;
# - read the paper's Figures 13, 14 and 15, drawn here from our own trained models;
# - find a model's clearest mistakes by a rule, and look up in its memory what went wrong.
#
# **Time:** 50 minutes. You need the machine of [Heads and controllers](05_heads_and_controllers.ipynb). A little probability helps: what a density is, and what a mean is.

# %% tags=["setup", "remove-cell"]
SETUP

# %%
from dataclasses import replace
from itertools import pairwise

import matplotlib.pyplot as plt
import torch

from ntm_tutorial import TASKS, bits_per_sequence, plots, pretrained, storage
from ntm_tutorial.evaluation import SEEDS, divergence, testing_seed
from ntm_tutorial.ntm import INITIAL_MEMORY
from ntm_tutorial.recipes import MODELS
from ntm_tutorial.tasks.dynamic_ngrams import contexts, counts, optimal_predictions

plots.use_style()
task = TASKS["dynamic-ngrams"]
models = {name: pretrained.load("dynamic-ngrams", name) for name in MODELS}

# %% [markdown]
# ## The idea
#
# **Every sequence obeys a rule of its own, and the rule is new each time. To predict the next bit, look up what happened before in the same situation. That takes a memory, and for once we know exactly how well it can be done.**
#
# In the other tasks of the paper there is a right answer, and a perfect model gives it. Here chance has a hand in every bit, so nobody can be right all the time. But there is a best way to guess. It can be written in one line, and no model can beat it on average. So the question is no longer whether a machine solves the task, but how far it stays from the optimum.
#
# Here is the best way to guess at work, before any symbol.

# %% mystnb={"figure": {"caption": "Above, the 200 bits of one sequence. Below, the best prediction of each bit, made before it came.", "name": "fig-10-first-look"}, "image": {"alt": "Two rows of 200 thin columns. The upper row is black and white. The lower row is blank for five columns, then an even grey, and from about the thirtieth column on it becomes a mixture of blacks, whites and greys that largely follows the upper row."}}
one = task.sample(1, generator=torch.Generator().manual_seed(testing_seed(0)))
bits = torch.cat([one.inputs[:1], one.targets])[:, 0, 0]
best_guess = optimal_predictions(one.inputs[..., 0])[:, 0]
figure = plots.predictions(bits, {"Optimal": best_guess})

# %% [markdown]
# Read the lower row from left to right. At first it is grey: nothing is known yet, so a 0 and a 1 are equally likely. Then blacks and whites appear, and where they appear, the bit above usually has the same colour. The predictor is learning this sequence. Some columns stay grey to the end. There the predictor knows that it cannot know: what follows is close to a coin flip.

# %% [markdown]
# ## A game to play by hand
#
# Take a pencil. Somebody shows you these bits, one after the other:
#
# ```text
# 0 1 1 0 1 1 0 0 1 1 0 1 ?
# ```
#
# The rule of the game: what comes next depends on the **two bits before it**, and on nothing else. Those two bits are the *context*. There are four contexts: 00, 01, 10 and 11. After each of them a 1 comes with some fixed probability, and these four probabilities are secret.
#
# What is your guess for the question mark, and how sure are you?
#
# The context is 01. Go back through the sequence and find every earlier 01 that has a follower: it stands at the first two bits, at bits 4 and 5, and at bits 8 and 9. What followed? A 1, a 1 and a 1. So a 1 looks likely. But three cases are few, and you would not stake everything on it. The rule that we shall derive below says: **add one half to each of the two counts, and divide.** Here that is $3\tfrac12$ ones against $\tfrac12$ zeros, so the probability of a 1 is $3\tfrac12 / 4 = 0.875$.
#
# As code, for any number of context bits:

# %%
def predict(bits, context=5):
    """Return the probability that the next bit is a 1, from a list of the bits so far."""
    here = bits[len(bits) - context :]
    followers = [
        bits[k] for k in range(context, len(bits)) if bits[k - context : k] == here
    ]
    return (sum(followers) + 0.5) / (len(followers) + 1)


# %%
game = [0, 1, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1]
assert predict(game, context=2) == 3.5 / 4
for k in range(2, len(game) + 1):
    came = game[k] if k < len(game) else "?"
    print(f"bit {k + 1:2}: context {game[k - 2]}{game[k - 1]}, ", end="")
    print(f"a 1 has probability {predict(game[:k], context=2):.3f}, and came: {came}")

# %% [markdown]
# Check two or three lines by hand. Look at bit 8, too: until then the one 10 had been followed by a 1, the rule said 0.75, and it was wrong. After that the counts for 10 are one zero and one 1, and the rule is back at a half.
#
# Now the real game. The context is the last **five** bits, so there are 32 contexts and 32 secret probabilities. A sequence has 200 bits. The first five are fair coin flips, so a player is asked for bits 6 to 200. Because a context and its follower are six bits together, this is called a 6-gram model. And for every sequence a new table of 32 probabilities is drawn. That is why the N-grams are *dynamic*: no table can be learned in training. What can be learned is how to learn a table.

# %%
visits = torch.stack([(contexts(one.inputs[..., 0])[4:, 0] == c).sum() for c in range(32)])
assert visits.sum() == 195
print(f"195 predictions for 32 contexts: {195 / 32:.1f} for each context, on average;")
print(f"in the sequence above from {visits.min()} to {visits.max()}")

# %% [markdown]
# So the whole lesson about a context consists of a handful of examples. Counting well with few examples is what this task is about.

# %% [markdown]
# ## What tables are there?
#
# How sure should three ones in three cases make you? That depends on what tables the game likes to draw. If most of its probabilities are near 0 or 1, three of three settle the matter. If all are near one half, three of three are luck.
#
# The paper draws each of the 32 probabilities from a distribution called Beta(½, ½). Its density, for a probability $p$ between 0 and 1, is
#
# $$ \frac{1}{\pi \sqrt{p\,(1 - p)}} $$
#
# There is an easy way to draw from it: take an angle between 0° and 90°, evenly, and square its sine. The package draws its tables that way.

# %% mystnb={"figure": {"caption": "Left: the density of Beta(½, ½), and a histogram of 20,000 draws. Right: five tables, one probability for each of the 32 contexts.", "name": "fig-10-prior"}, "image": {"alt": "Left, a U-shaped curve that is lowest at one half and rises steeply towards 0 and 1; the histogram follows it. Right, five rows of 32 cells from dark to bright; dark and bright cells dominate, and no two rows are alike."}} tags=["hide-input"]
angles = torch.rand(20_000, generator=torch.Generator().manual_seed(1)) * torch.pi / 2
draws = angles.sin().square()
p = torch.linspace(0.002, 0.998, 500)
figure, (left, right) = plt.subplots(1, 2, figsize=(7, 2.6), width_ratios=(1, 1.3))
left.hist(draws.numpy(), bins=40, density=True, color="#c9d8e6", label="draws")
left.plot(p, 1 / (torch.pi * (p * (1 - p)).sqrt()), color=plots.INK, label="density")
left.set(xlabel="probability p of a 1", ylabel="density", ylim=(0, 4))
left.legend(loc="upper center")
tables = right.imshow(draws[:160].reshape(5, 32), vmin=0, vmax=1)
right.set(xlabel="context", ylabel="table", yticks=range(5), yticklabels=range(1, 6))
figure.colorbar(tables, label="probability of a 1")
extreme = ((draws < 0.1) | (draws > 0.9)).double().mean()
print(f"{extreme:.0%} of the probabilities are below 0.1 or above 0.9")

# %% [markdown]
# The curve is a U. Most contexts have a strong habit; few are close to a coin. So in this game three of three is strong evidence, and it is right to say 0.875.

# %% [markdown]
# ## The best prediction
#
# Now the derivation. It takes four steps, and it concerns one context only, because the contexts know nothing of each other.
#
# **1. Before any example,** the probability $p$ of a 1 could be anything. How plausible each value is, the prior says. We leave out the constant:
#
# $$ p^{-1/2}\,(1 - p)^{-1/2} $$
#
# **2. An example** that is a 1 happens with probability $p$, so it multiplies the plausibility of each $p$ by $p$. A 0 multiplies it by $1 - p$. After $N_1$ ones and $N_0$ zeros we have
#
# $$ p^{N_1 - 1/2}\,(1 - p)^{N_0 - 1/2} $$
#
# This is again a Beta distribution, with $N_1 + \tfrac12$ and $N_0 + \tfrac12$ in the place of $\tfrac12$ and $\tfrac12$. It is called the *posterior*: what we believe after the examples. All that the examples changed is two counts.
#
# **3. The probability that the next bit is a 1** is $p$, averaged over all values that $p$ may have, each weighted by its plausibility. That is the mean of the posterior. The mean of a Beta distribution is its first number divided by the sum of the two:
#
# $$ P(B = 1 \mid N_1, N_0) = \frac{N_1 + \tfrac12}{N_1 + N_0 + 1} $$
#
# This is [Equation 10](#eq-optimal) of the paper, and the game's rule.
#
# **4. Nothing can be better on average.** The cost is the cross-entropy. Whoever predicts, pays $-\log_2$ of the probability that he gave to what came. If a 1 comes with probability $q$, then saying $q$ costs least, on average. And $q$, given all that can be known, is step 3.
#
# Step 3 used a formula for the mean. Do not take it on trust. With 3 ones and 1 zero it promises $3.5/5 = 0.7$. Here are a thousand values of $p$, drawn as the prior draws them: at even angles. Step 2 says how to weigh them.

# %%
angles = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000 * torch.pi / 2
p = angles.sin().square()  # spread as the prior wants it
weights = p**3 * (1 - p)  # three ones and one zero
mean = (p * weights).sum() / weights.sum()
assert abs(mean - 3.5 / 5) < 1e-9
print(f"posterior mean after 3 ones and 1 zero: {mean:.4f}")

# %% mystnb={"figure": {"caption": "What one believes about a context after some examples. The dashed lines are the means: the predictions of Equation 10.", "name": "fig-10-posterior"}, "image": {"alt": "Four density curves over the probability of a 1. Before any example a U. After one 1 a curve that rises towards 1. After 3 ones and 1 zero a broad hill with its mean at 0.7. After 12 ones and 4 zeros a narrow hill near 0.74."}} tags=["hide-input"]
p = torch.linspace(0.001, 0.999, 999)
figure, axes = plt.subplots(1, 4, sharey=True, figsize=(7, 2.2))
for axis, (ones, zeros) in zip(axes, ((0, 0), (1, 0), (3, 1), (12, 4)), strict=True):
    belief = torch.distributions.Beta(ones + 0.5, zeros + 0.5)
    axis.plot(p, belief.log_prob(p).exp(), color=plots.COLOURS["ntm-feedforward"])
    axis.axvline(belief.mean, color=plots.MARK, linestyle="--", linewidth=1)
    axis.set(title=f"ones: {ones}  zeros: {zeros}", xlabel="p", ylim=(0, 4.2))
    print(f"ones {ones:2}, zeros {zeros}: the next bit is a 1 with probability {belief.mean:.3f}")

# %% [markdown]
# From left to right the belief narrows. The half that is added to each count is what remains of the prior: with many examples it stops mattering, with few it keeps the prediction away from 0 and 1. A predictor that divides $N_1$ by $N_0 + N_1$ would be sure after a single example, and the first exception would cost it infinitely many bits.

# %% [markdown]
# ## Three checks by simulation
#
# **It counts right.** The package's `optimal_predictions` keeps 32 pairs of counts for many sequences at once. Our `predict` above walks through a list and remembers nothing. The two have no line in common, and they agree.

# %%
some = task.sample(5, generator=torch.Generator().manual_seed(2)).inputs[..., 0].double()
ours = [
    [predict(sequence[: t + 1]) for sequence in some.long().T.tolist()] for t in range(199)
]
difference = (optimal_predictions(some) - torch.tensor(ours, dtype=torch.float64)).abs().max()
assert difference < 1e-9
print("995 predictions agree to 1e-9")

# %% [markdown]
# **When it says 0.8, a 1 comes 80% of the time.** A predictor with this property is called *calibrated*. We draw 20,000 sequences, sort all predictions by what they said, and count what came.

# %%
generator = torch.Generator().manual_seed(1)
says, came, cost = [], [], []
for _ in range(10):  # in portions, to save memory
    part = task.sample(2000, generator=generator)
    says.append(optimal_predictions(part.inputs[..., 0])[4:])
    came.append(part.targets[4:, :, 0])
    cost.append(bits_per_sequence(optimal_predictions(part.inputs[..., 0]).logit()[..., None], part))
says, came, cost = torch.cat(says, 1).flatten(), torch.cat(came, 1).flatten(), torch.cat(cost)

# %%
for tenth in range(10):
    chosen = (10 * says + 0.001).floor() == tenth  # so that 0.3 counts as 0.3, however rounded
    said, seen = says[chosen].double().mean(), came[chosen].double().mean()
    assert abs(said - seen) < 0.005
    print(f"says {said:.3f} on average: a 1 came in {seen:.3f} of {chosen.sum():9,} cases")

# %% [markdown]
# **What it costs.** Over bits 6 to 200 it pays, on average:

# %%
OPTIMUM, error = cost.double().mean().item(), cost.double().std().item() / 20_000**0.5
print(f"the optimum costs {OPTIMUM:.2f} bits, standard error {error:.2f}")
print(f"a single sequence costs anything from {cost.min():.0f} to {cost.max():.0f} bits")
assert abs(OPTIMUM - 127.98) < 0.5  # what we found before we wrote the chapter

# %% [markdown]
# We keep this number: it is the line that the models are held against. Mind the second line. Some tables make sequences that are easy to predict, others make noise. No player can help that. It will matter when we compare.

# %% [markdown]
# ### Two ways to count the bits
#
# The first five bits are coin flips. Nobody can predict them, so each costs one bit, whoever plays. One may leave them out or count them in. **In this book the cost is that of bits 6 to 200, as our mask says.** The paper does not say which it used. Its Figure 13 draws the optimum at about 133, as far as one can read it off the plot, which fits the second way.

# %%
for name, asked in {"a coin": 195, "the optimum": OPTIMUM}.items():
    print(f"{name:12} bits 6 to 200: {asked:6.2f}    with the first five: {asked + 5:6.2f}")

# %% [markdown]
# ## Figure 13: how they learn
#
# The paper's three models, as in [Copy](07_copy.ipynb): two NTMs with one read head and one write head, and an LSTM, here with three layers of 128 units.

# %% tags=["hide-input"]
print("                     parameters       learning rate  sequences minutes")
print("                    paper      ours   paper    ours  trained on  of CPU")
for name, found in models.items():
    paper, training, history = found.recipe.paper, found.recipe.training, found.history
    ours = sum(p.numel() for p in found.model.parameters())
    print(
        f"{name:15} {paper.parameters:9,} {ours:9,} {paper.learning_rate:7}"
        f" {training['learning_rate']:7} {history.sequences[-1]:11,}"
        f" {history.seconds[-1] / 60:7.0f}"
    )

# %% [markdown]
# The paper's Figure 13 shows the validation cost against the sequences seen, with the optimum as a line. To draw it well, two things need care.
#
# First, the axis. In chapter 7 the cost axis was logarithmic, because there the best cost is zero. Here it is that of the optimum, and everything of interest happens within a few bits of it. So the axis is linear and shows that stretch only.
#
# Second, luck. Our models were validated on a fixed set of sequences, and a set of some hundred may be easier or harder than usual by several bits. The optimum has the same luck on the same sequences. So we take each model's cost, subtract the optimum's *on the very sequences of its validation*, and add the optimum's cost in the long run.

# %% tags=["hide-input"]
@torch.no_grad()
def validated(found):
    """Return the optimum's cost, and the model's own, on the sequences of a model's validation."""
    _, about = storage.load(pretrained.path(found.recipe))
    draw = torch.Generator().manual_seed(SEEDS + about["seed"])
    fixed = task.sample(found.recipe.training.get("validation_sequences", 100), generator=draw)
    best = optimal_predictions(fixed.inputs[..., 0]).logit()[..., None]
    costs = (bits_per_sequence(logits, fixed) for logits in (best, found.model(fixed.inputs)[0]))
    return [cost.mean().item() for cost in costs]


# %% mystnb={"figure": {"caption": "The paper's Figure 13 from our models: validation cost, freed of the luck of the validation sequences, and the line of the optimum.", "name": "fig-10-learning-curves"}, "image": {"alt": "Learning curves of the three models between 126 and 150 bits per sequence, falling towards a dotted line, the optimum."}} tags=["hide-input"]
print("                  lowest validation cost     the optimum      above")
print("                  recorded     measured now  on the same  the optimum")
curves = {}
for name, found in models.items():
    optimum, now = validated(found)
    lowest = min(found.history.validation_bits)
    above = [bits - optimum + OPTIMUM for bits in found.history.validation_bits]
    curves[name] = replace(found.history, validation_bits=above)
    print(f"{name:15} {lowest:10.2f} {now:16.2f} {optimum:12.2f} {now - optimum:12.2f}")
figure = plots.learning_curves(
    curves, goal=round(OPTIMUM, 2), goal_name="optimum", between=(126, 150)
)

# %% [markdown]
# The two columns on the left of the table are a check: what the training recorded at its best moment is what the stored weights cost today, on what we claim are the same sequences.
#
# Now the curves. All three models get into the last few bits. The paper found both NTMs better than the LSTM, and the order is the same here. The paper also says that the NTM comes close to the optimum but never quite reaches it. How close is the next question, and the validation sequences are the wrong ones to ask: the weights were chosen by them. <!-- check -->

# %% [markdown]
# ## A thousand fresh sequences
#
# We draw 1,000 sequences that no training and no validation saw. All three models get the same ones, and so does the optimum. Its predictions, written as logits, can be scored like any model's.

# %%
fresh = task.sample(1000, generator=torch.Generator().manual_seed(testing_seed(0)))
optimal = optimal_predictions(fresh.inputs[..., 0])  # (199, 1000)
with torch.no_grad():
    said = {
        name: torch.cat([found.model(part)[0] for part in fresh.inputs.split(250, dim=1)], dim=1)
        for name, found in models.items()
    }
costs = {name: bits_per_sequence(logits, fresh).double() for name, logits in said.items()}
costs["optimum"] = bits_per_sequence(optimal.logit()[..., None], fresh).double()


# %%
def mean_and_error(values):
    """Return the mean of many independent values, and its standard error."""
    return values.mean().item(), values.std().item() / len(values) ** 0.5


excess = {name: costs[name] - costs["optimum"] for name in MODELS}
print("                 bits 6 to 200   all 200    above the optimum")
for name in (*MODELS, "optimum"):
    mean, error = mean_and_error(costs[name])
    print(f"{name:15} {mean:7.2f} ± {error:.2f} {mean + 5:9.2f}", end="")
    print("    {:7.2f} ± {:.2f}".format(*mean_and_error(excess[name])) if name in excess else "")

# %% [markdown]
# Compare the two standard errors in a row. The one on the left is more than a bit. By that column alone one could hardly tell the better models from the optimum. The one on the right is far smaller. It belongs to the *same* sequences and the *same* models. What makes the difference is pairing: a hard sequence is hard for everybody, so the difference within a sequence varies much less than the cost. Whenever you compare two models, compare them on the same sequences, and take the standard error of the difference.
#
# The same for the NTMs against the LSTM:

# %%
for name in MODELS[:2]:
    mean, error = mean_and_error(costs["lstm"] - costs[name])
    verdict = "better" if mean > 2 * error else "worse" if mean < -2 * error else "no different"
    print(f"{name:15} costs {mean:6.2f} ± {error:.2f} bits less than the LSTM: {verdict}")
best = min(MODELS[:2], key=lambda name: excess[name].mean())
print(f"the better NTM: {best}, {excess[best].mean():.2f} bits above the optimum")

# %% [markdown]
# For comparison with the paper: its Figure 13, as far as one can read numbers off a plot, shows the NTMs half a bit to one bit above the optimum's line and the LSTM about three.
#
# From here on, "NTM" means the better one of the two. The variable `best` says which that is; set it to the other name and run on, and all that follows is about the other one.

# %% [markdown]
# ### Where is the waste?
#
# A cost mixes two things: how wrong a model is, and how lucky it was with the bits that came. We can take the luck out. At every step we know the best prediction, $q$. If a model says $p$ instead, then on average, whatever comes, it wastes
#
# $$ q \log_2 \frac{q}{p} + (1 - q) \log_2 \frac{1 - q}{1 - p} $$
#
# bits. This is the Kullback-Leibler divergence of $p$ from $q$. It is zero if $p = q$, and never negative. A case by hand: if the best prediction is $\tfrac12$ and the model says $\tfrac14$, it wastes $\tfrac12 \log_2 2 + \tfrac12 \log_2 \tfrac23 = 0.2075$ bits.

# %%
by_hand = divergence(torch.tensor(1 / 4).logit(), torch.tensor(1 / 2))
assert abs(by_hand - 0.2075) < 1e-4
waste = {name: divergence(said[name][4:, :, 0], optimal[4:]).double() for name in MODELS}
for name in MODELS:
    mean, error = mean_and_error(waste[name].sum(0))
    print(f"{name:15} wastes {mean:6.2f} ± {error:.2f} bits per sequence")

# %% [markdown]
# The sums agree with the last column of the table above, as they must, within the errors. And these errors are smaller again, because no luck is left in them. `waste` holds a number for every model, bit and sequence. With it we can ask where.

# %% [markdown]
# ## Figure 14: where it is wrong
#
# This is the paper's figure. Its rows are the input, the optimal prediction, the NTM's and the LSTM's, over one test sequence. Greys are the probability of a 1. The paper says of its own: in most places the NTM is almost indistinguishable from the optimum; at two places, marked with arrows, it makes clear mistakes; the LSTM follows the optimum closely in some places, and seems to diverge further as the sequence goes on.
#
# Which sequence, and which places? In a thousand sequences one can find whatever one likes to show. So we decide by rule. **The sequence is the first of the test set. Arrow A is where the NTM wastes most. Arrow B is where it wastes most among the bits that have another context and are at least ten away.**

# %%
wasted, context = waste[best][:, 0], contexts(fresh.inputs[..., 0])[4:, 0]
a = int(wasted.argmax())
elsewhere = (context != context[a]) & ((torch.arange(195) - a).abs() >= 10)
b = int(torch.where(elsewhere, wasted, 0).argmax())
arrows = [a + 6, b + 6]  # the first prediction that counts is that of bit 6

# %% mystnb={"figure": {"caption": "The paper's Figure 14 from our own models: a test sequence, and what was predicted for each of its bits before it came. The arrows point out the NTM's two clearest mistakes.", "name": "fig-10-inference"}, "image": {"alt": "Four rows of 200 thin columns in greys: Input, Optimal, NTM, LSTM. The first five columns of the lower three are blank. The three rows of predictions look much alike, from an even grey on the left to blacks, whites and greys on the right. Two red arrows below, lettered A and B, point at single columns."}}
rows = {
    "Optimal": optimal[:, 0],
    "NTM": said[best][:, 0, 0].sigmoid(),
    "LSTM": said["lstm"][:, 0, 0].sigmoid(),
}
figure = plots.predictions(bits, rows, arrows=arrows)
for name in (best, "lstm"):
    print(f"{name}: {waste[name][:, 0].sum():.2f} bits wasted on this sequence")

# %% [markdown]
# Hold the second row against the third, and then against the fourth. The rows are one picture in three prints. To see what the arrows point at, we need a lens: the 21 bits round each arrow.

# %% mystnb={"figure": {"caption": "Figure 14 through a lens, round arrow A. Look down the column of the arrow.", "name": "fig-10-arrow-a"}, "image": {"alt": "The four rows again for 21 bits. In the column of the arrow the NTM's grey differs clearly from the optimal one; in most other columns the two are alike."}}
def lens(bit):
    """Choose 21 bits round one bit."""
    first = min(max(bit - 10, 1), 180)
    return first, first + 20


figure = plots.predictions(bits, rows, arrows=arrows[:1], shown=lens(arrows[0]))

# %% mystnb={"figure": {"caption": "The same round arrow B.", "name": "fig-10-arrow-b"}, "image": {"alt": "The four rows for the 21 bits round the second arrow. Again one column stands out in the NTM's row."}}
figure = plots.predictions(bits, rows, arrows=arrows[1:], letters="B", shown=lens(arrows[1]))

# %% [markdown]
# And in numbers. For each arrow: the context, what had followed it so far, what each predictor made of that, and what came.

# %% tags=["hide-input"]
seen = counts(fresh.inputs[..., 0])[:, 0]  # zeros and ones that had followed, (199, 2)
for letter, bit in zip("AB", arrows, strict=True):
    t = bit - 2  # the step after whose input the prediction was made
    shown = "".join(str(int(x)) for x in bits[t - 4 : t + 1])
    zeros, ones = seen[t].tolist()
    print(f"arrow {letter}, bit {bit}: context {shown}, followed so far by {ones} ones, {zeros} zeros")
    for name, row in rows.items():
        wasted = divergence(row[t].logit(), optimal[t, 0])
        print(f"    {name:8} says {row[t]:.3f}, wastes {wasted:.3f} bits")
    print(f"    and a {int(bits[t + 1])} came")

# %% [markdown]
# The rest of the chapter looks into both of these mistakes, and into what the machine does when it makes none. First, the LSTM.

# %% [markdown]
# ## Does the LSTM drift?
#
# The paper writes that its LSTM seems to diverge further from the optimum as the sequence goes on, and it suspects that the LSTM forgets what it saw at the start. That was an impression from one sequence. We have a thousand, and `waste` at each of their bits.

# %% mystnb={"figure": {"caption": "Bits wasted per bit along the sequence: means over 1,000 sequences in windows of 13 bits, with a standard error as a band.", "name": "fig-10-drift"}, "image": {"alt": "Three curves over the bits 6 to 200, one for each model, each with a narrow band round it. The height of a curve is the mean waste at that place in the sequence."}}
figure = plots.along(waste, window=13, first=6, label="bits wasted per bit")

# %% [markdown]
# Careful with what a rising curve says. Early on, little can be known, the best prediction is near one half, and everybody can say one half. There is not much to waste. Later there is more to know, and so more to miss: a coin, which always says one half, wastes more and more. So we measure a model's waste as a share of the coin's. A perfect model has 0%, and a coin has 100%. A model that drifts off has a growing share.

# %%
def share(wasted, by_coin):
    """Return a value for each sequence; their mean is the share sum(wasted) / sum(by_coin)."""
    ratio = wasted.mean() / by_coin.mean()
    return ratio + (wasted - ratio * by_coin) / by_coin.mean()


# %% tags=["hide-input"]
coin = divergence(torch.zeros(195, 1000), optimal[4:]).double().reshape(3, 65, 1000).sum(1)
print("waste in percent of a coin's")
print("                  bits 6-70      71-135     136-200    last minus middle third")
for name in MODELS:
    thirds = waste[name].reshape(3, 65, 1000).sum(1)
    parts = [100 * share(*pair) for pair in zip(thirds, coin, strict=True)]
    means = "  ".join("{:5.2f} ± {:.2f}".format(*mean_and_error(part)) for part in parts)
    change, error = mean_and_error(parts[2] - parts[1])
    word = "drifts off" if change > 2 * error else "comes closer" if change < -2 * error else "holds"
    print(f"{name:15}  {means}  {change:+6.2f} ± {error:.2f}: {word}")

# %% [markdown]
# The last column is the answer: it compares the last third of the sequence with the middle third, and it says "drifts off" or "comes closer" only if the difference is more than two standard errors.

# %% [markdown]
# ### Does it forget?
#
# A model can fall behind for other reasons than forgetting. So let us test the paper's suspicion directly. Imagine players who count as the optimum does, but forget. There are two ways to forget. With one, **counts fade**: at every step each count shrinks to a fixed share of itself. A share of 0.99 halves a memory in 69 steps. With the other, **old bits drop out**: only the last so many steps are counted, and what is older is gone.

# %%
def forgetful(bits, keep=1.0, window=1000):
    """Return the predictions from bit 6 on of a player whose counts fade, or drop out."""
    here, every, says = contexts(bits), torch.arange(bits.shape[1]), []
    count = torch.zeros(bits.shape[1], 32, 2)
    for t in range(4, len(bits)):
        for step, change in ((t, 1), (t - window, -1)):
            if step > 4:
                count *= keep if change == 1 else 1
                count[every, here[step - 1], bits[step].long()] += change
        zeros, ones = count[every, here[t]].unbind(-1)
        says.append((ones + 0.5) / (zeros + ones + 1))
    return torch.stack(says)


assert (forgetful(fresh.inputs[..., 0]) - optimal[4:]).abs().max() < 1e-6

# %% [markdown]
# Now we hold each model against forgetful players of different kinds. Which does it resemble most? The first row is there for scale: it says how far each player is from the optimum, which is what that kind of forgetting costs.

# %%
players = {"all": forgetful(fresh.inputs[..., 0])}
for keep in (0.995, 0.99, 0.98, 0.95):
    players[f"x {keep}"] = forgetful(fresh.inputs[..., 0], keep)
for window in (160, 128, 64):
    players[f"last {window}"] = forgetful(fresh.inputs[..., 0], window=window)
print("bits per sequence between a model and a player who keeps")
print("                " + "".join(f"{keeps:>9}" for keeps in players) + "   most like")
for name, logits in {"the optimum": optimal.logit()[..., None], **said}.items():
    apart = {
        keeps: divergence(logits[4:, :, 0], player).sum(0).mean().item()
        for keeps, player in players.items()
    }
    columns = "".join(f"{bits:9.2f}" for bits in apart.values())
    print(f"{name:15} {columns}   {min(apart, key=apart.get)}")

# %% [markdown]
# Read the last column. "All" in a model's row means that none of these ways of forgetting describes it better than none: what it counted at the start still counts at the end. Anything else is forgetting, measured. "Last 128" would be no accident: the memory has 128 locations. Keep it in mind for the next section. <!-- check -->

# %% [markdown]
# ## Figure 15: where the counts are kept
#
# Now we open the machine. A perfect player needs 32 pairs of counts. Where does the NTM keep them, if it keeps them? The paper's Figure 15 suggests an answer:
#
# - whenever the same context comes, **the read head looks at the same location**;
# - one step later, when the follower is known, **the write head writes to that location**;
# - the vectors added for a 1 and for a 0 are **anti-correlated**, as if the location held a counter that goes up and down.
#
# We test the three claims on our machine, one after the other, on 50 of the fresh sequences.

# %%
with torch.no_grad():
    _, trace = models[best].model.trace(fresh.inputs[:, :50])
here = contexts(fresh.inputs[:, :50, 0])  # (199, 50); -1 while incomplete
heads = {"read": trace.read_weighting[:, :, 0], "write": trace.write_weighting[:, :, 0]}

# %% [markdown]
# **Same context, same location?** We take all pairs of steps in a sequence. Some pairs have the same context, most have different ones. How alike are a head's weightings at the two steps of a pair? As a measure we take the cosine similarity of [chapter 3](03_content_addressing.ipynb): 1 for the same weighting, 0 for weightings without a location in common.
#
# The head may act with a delay, since a context's follower comes one step later. So we compare weightings at one step with the context at that step, one step before, and two.

# %%
def likeness(weighting, delay):
    """Return how alike weightings are, for pairs of steps of the same context, and for others."""
    unit = torch.nn.functional.normalize(weighting[4 + delay :], dim=-1).transpose(0, 1)
    cosine = unit @ unit.mT  # (50, steps, steps)
    context = here[4 : len(here) - delay].T
    same = context[:, :, None] == context[:, None, :]
    pair = torch.ones(cosine.shape[1:], dtype=torch.bool).triu(1)
    return cosine[same & pair].mean().item(), cosine[~same & pair].mean().item()


# %%
print("how alike a head's weightings are:   same context   another   difference")
margins = {}
for head, weighting in heads.items():
    for steps in (0, 1, 2):
        same, other = likeness(weighting, steps)
        margins[head, steps] = same - other
        print(f"{head:5} head, context {steps} steps before", end="")
        print(f"{same:15.2f} {other:11.2f} {same - other:10.2f}")

# %%
delay = {head: max(range(3), key=lambda d, head=head: margins[head, d]) for head in heads}
for head, steps in delay.items():
    goes = margins[head, steps] > 0.2
    print(f"the {head} head", f"goes by the context {steps} steps before" if goes else "follows none")
clear = min(margins[head, delay[head]] for head in heads) > 0.2
as_paper = clear and delay == {"read": 0, "write": 1}
print("as in the paper: read at once, write one step later" if as_paper else "not as in the paper")

# %% [markdown]
# ### A counter or a list?
#
# There is another way to play this game with a memory, and it looks quite different. **Keep a list.** Write each bit, with the context before it, to the next free location. To predict, look at all locations whose context is the present one, all at once, and average what followed. A soft read can do that: content addressing spreads the weighting over all rows that match. The average is close to $N_1 / (N_0 + N_1)$.
#
# A counter returns to its places. A list walks. So let us see how the write head moves.

# %%
locations = heads["write"].shape[-1]
stands = heads["write"].argmax(-1)  # (199, 50)
moves = (stands[1:] - stands[:-1]) % locations
usual = moves.flatten().mode().values.item()
steady = (moves == usual).double().mean().item()
used = sum(len(column.unique()) for column in stands.T) / 50
usual -= locations * (usual > locations / 2)  # from -64 to 64
print(f"its commonest move is by {usual:+d}: {steady:.0%} of all moves")
print(f"it stands at {used:.0f} of {locations} locations in a sequence, on average")
print("it keeps a list" if steady > 0.8 and abs(usual) == 1 else "it returns to places")

# %% [markdown]
# Whichever it does, one thing must be true if it plays the game at all. The read head must look at what was written in the *same* context. So for each location we note for which context it was written last, and add up the read weights on the right locations. For comparison: how many of the written locations are right ones, which is what a head would hit that looks anywhere.

# %%
written_for = torch.full((50, locations), -2)
right, chance = torch.zeros(199, 50), torch.zeros(199, 50)
for t in range(199):
    match = written_for == here[t][:, None]
    right[t] = (heads["read"][t] * match).sum(-1)
    chance[t] = match.sum(-1) / (written_for >= -1).sum(-1).clamp(min=1)
    if t > 0:
        written_for[torch.arange(50), stands[t]] = here[t - 1]
print(f"read weight on locations written in the same context: {right[50:].mean():.2f}")
print(f"share of such locations among all written ones:       {chance[50:].mean():.2f}")

# %% [markdown]
# For one sequence we can draw the map: a row for each context, and in it where the head is, on average, when that context comes.

# %% mystnb={"figure": {"caption": "A map of the memory for the test sequence of Figure 14: where the two heads are, on average, for each context that came at least three times. If the panels look alike, the machine writes where it reads.", "name": "fig-10-map"}, "image": {"alt": "Two panels side by side, one row for each context and one column for each memory location. Left the read head, right the write head."}} tags=["hide-input"]
def places(head, index=0):
    """Return where a head is on average for each context in one sequence, (32, N)."""
    context = here[: len(here) - delay[head], index]
    weighting = heads[head][delay[head] :, index]
    return torch.stack([weighting[context == c].mean(0) for c in range(32)])


often = [c for c in range(32) if (here[:-1, 0] == c).sum() >= 3]
maps = {head: places(head)[often] for head in heads}
order = maps["read"].argmax(-1).argsort()
figure, axes = plt.subplots(1, 2, sharey=True, figsize=(7, 0.16 * len(often) + 0.8))
for axis, (head, values) in zip(axes, maps.items(), strict=True):
    picture = axis.imshow(values[order], vmin=0, vmax=max(one.max() for one in maps.values()))
    axis.set(title=f"{head} head", xlabel="memory location")
axes[0].set_yticks(range(len(often)), [f"{often[i]:05b}" for i in order], size=7)
axes[0].set_ylabel("context")
bar = figure.colorbar(picture, ax=axes, label="weight", pad=0.02)

# %% [markdown]
# Is the map the same in every sequence? Then the machine would have learned by heart that context 00000 lives here and 00001 there. Or does it give out locations as contexts come up? We compare the map of each sequence with the map of the next.

# %%
def cosine_of_rows(one, other):
    """Return the mean cosine of the rows of two maps, leaving out contexts that never came."""
    return torch.nn.functional.cosine_similarity(one, other, dim=-1).nanmean().item()


atlas = [places("read", index) for index in range(50)]
across = [cosine_of_rows(one, other) for one, other in pairwise(atlas)]
across = sum(across) / len(across)
written = sum(cosine_of_rows(atlas[i], places("write", i)) for i in range(50)) / 50
print(f"the read head for the same context in two different sequences: likeness {across:.2f}")
print(f"the read head and the write head for the same context:         likeness {written:.2f}")

# %% [markdown]
# Now the paper's figure itself, over the whole sequence. We follow two contexts, those of arrows A and B.

# %% mystnb={"figure": {"caption": "The paper's Figure 15 from our NTM: the sequence of Figure 14, and what happened inside. Arrows under the read weighting: steps at which the context was complete. Arrows under the write weighting: steps at which its follower was known.", "name": "fig-10-memory-use"}, "image": {"alt": "From top to bottom over 199 steps: the input bits, the NTM's predictions in greys, the vectors added, the write weighting and the read weighting. Red and green arrows under the two weightings mark the visits of two contexts."}} tags=["hide-input"]
followed = [int(here[bit - 2, 0]) for bit in arrows]
marks = {
    f"{head} weighting": {
        f"context {c:05b}": (here[: 199 - delay[head], 0] == c).nonzero().flatten() + delay[head]
        for c in dict.fromkeys(followed)
    }
    for head in ("write", "read")
}
panels = {"vectors added": trace.add_vector[:, 0, 0]}
panels |= {f"{head} weighting": heads[head][:, 0] for head in ("write", "read")}
figure = plots.visits(
    {"Input": fresh.inputs[:, 0, 0], "NTM": said[best][:, 0, 0].sigmoid()},
    panels,
    {name: {label: at.tolist() for label, at in found.items()} for name, found in marks.items()},
)

# %% [markdown]
# **Anti-correlated adds?** At the step at which a follower is known, the vector added should depend on what it was. We average the vectors added at a 0 and at a 1, over all steps and 50 sequences, and compute the correlation between the two.

# %% mystnb={"figure": {"caption": "The mean vector added after a 0 and after a 1. Where one row is yellow and the other cyan, the two pull in opposite directions.", "name": "fig-10-adds"}, "image": {"alt": "Two rows of 20 cells, in colours from cyan for negative to yellow for positive."}}
came = fresh.inputs[5:, :50, 0]
adds = torch.stack([trace.add_vector[5:, :, 0][came == bit].mean(0) for bit in (0, 1)])
figure = plots.matrix(adds, row_label="bit", column_label="component", numbers=False)
correlation = torch.corrcoef(adds)[0, 1].item()
print(f"correlation of the vectors added for 0 and for 1: {correlation:.2f}")
print("anti-correlated, as in the paper" if correlation < -0.2 else "not as in the paper")

# %% [markdown]
# An add is only half of a write; the erase comes first, and the weighting scales both. What counts is how the memory changes. So we take the row at which the write head looks most, and compute by how much it moved.

# %%
focus = heads["write"].argmax(-1)[5:, :, None, None].expand(-1, -1, 1, 20)
moved = (trace.memory[5:].gather(2, focus) - trace.memory[4:-1].gather(2, focus))[:, :, 0]
by_bit = torch.stack([moved[came == bit].mean(0) for bit in (0, 1)])
print(f"correlation of the row's moves for 0 and for 1: {torch.corrcoef(by_bit)[0, 1]:.2f}")

# %% [markdown]
# ### A ratio or two counts?
#
# The paper remarks that the writes grow fainter when the same context is seen again and again, and suggests why: perhaps the memory records a ratio of ones to zeros, not the counts. A ratio needs smaller and smaller corrections. The tenth example moves it far less than the first. Do our machine's moves shrink?

# %%
visit = counts(fresh.inputs[:, :50, 0]).sum(-1)  # how often the context came before
visit = visit[5 - delay["write"] : 199 - delay["write"]]
size = moved.norm(dim=-1)
for number in (0, 1, 2, 4, 8, 16):
    now = size[visit == number]
    print(f"visit {number + 1:2}: the row moves by {now.mean():.2f} on average")

# %% [markdown]
# A counter that keeps a ratio must move less and less. An entry in a list is written afresh each time, and does not care how often the context came before.
#
# And can both numbers be read off the row? We look at the read vector at every step and try to compute two things from its 20 numbers by a linear map: the optimal prediction's logit, $\ln\frac{N_1 + 1/2}{N_0 + 1/2}$, which is the ratio; and the number of visits, $\ln(N_0 + N_1 + 1)$. We fit on 25 sequences and test on the other 25. The measure is $R^2$: 1 if the map gets it right always, 0 if it does no better than a constant.

# %%
visits_before = (counts(fresh.inputs[:, :50, 0]).sum(-1)[4:] + 1.0).log()
wanted = torch.stack([optimal[4:, :50].logit(), visits_before], dim=-1)
ones = torch.ones(195, 50, 1)
inside = torch.cat([trace.reads[4:, :, 0], ones], dim=-1)  # a 1 for the constant
matrix = torch.linalg.lstsq(inside[:, :25].flatten(0, 1), wanted[:, :25].flatten(0, 1)).solution
left = (inside[:, 25:] @ matrix - wanted[:, 25:]).square().mean((0, 1))
fit = 1 - left / wanted[:, 25:].flatten(0, 1).var(0)
print(f"from the read vector: the ratio R2 = {fit[0]:.2f}, the number of visits R2 = {fit[1]:.2f}")

# %% [markdown]
# ## From looking to knowing
#
# All this was looking. To know that the machine answers from there, we must reach in. So we stop it after 150 bits. In each of the 50 sequences we take the context that came most often, and blank whatever the read head looks at when it comes: each row, as far as it is looked at, goes back to what it was before the sequence began. Then the machine goes on. If what it knew about that context was there, and little else was, two things must follow. The next time this context comes, the prediction is less sure, as for a context that is new. And the predictions for other contexts stay as they were.

# %%
stop = 150
with torch.no_grad():
    _, state = models[best].model(fresh.inputs[:stop, :50])
favourite = torch.stack([(here[4:stop] == c).sum(0) for c in range(32)]).argmax(0)
read = heads["read"][:stop]
looked = torch.stack([read[here[:stop, i] == favourite[i], i].mean(0) for i in range(50)])
looked = (looked / looked.amax(-1, keepdim=True))[..., None]  # 1 at the row most looked at
memory = state.memory + looked * (INITIAL_MEMORY - state.memory)
with torch.no_grad():
    later, _ = models[best].model(fresh.inputs[stop:, :50], state._replace(memory=memory))

# %%
before, after = said[best][stop:, :50, 0].sigmoid(), later[..., 0].sigmoid()
hit = here[stop:] == favourite
first = hit & (hit.cumsum(0) == 1)  # the first visit after the stop
print(f"blanked: {looked.sum(1).mean():.1f} rows of 128, added up")
lost = []
for name, where in {"the context we blanked": first, "all other contexts": ~hit}.items():
    sure, now = ((2 * p[where] - 1).abs().mean().item() for p in (before, after))
    lost.append(1 - now / sure)
    print(f"{name:22}: certainty {sure:.2f} before, {now:.2f} after")
there = lost[0] > 0.3 and lost[0] > 2 * lost[1]
print("what it knew was there" if there else "it was not there, or not only there")

# %% [markdown]
# Certainty is 0 at one half, and 1 at a prediction of 0 or 1. The last line is printed by a rule: the blanked context must lose more than 30% of its certainty, and more than twice as much as the others.

# %% [markdown]
# ## What happened at the arrows
#
# The paper explains one of its two mistakes: the read head went to a wrong location, that of a context that differs in one bit. We can ask the same of ours. At each arrow we compare where the read head looked with where it had looked before, on average, for every context. Did it look where it looks for this context? Then its place was right and what it found there was wrong. Did it look where it looks for another? Then it read that other context's counts.

# %% tags=["hide-input"]
def as_bits(context):
    """Write a context as its five bits."""
    return f"{context:05b}"


for letter, bit, context in zip("AB", arrows, followed, strict=True):
    t = bit - 2
    earlier = here[:t, 0]
    known = earlier[4:].unique()
    usual = torch.stack([heads["read"][:t, 0][earlier == c].mean(0) for c in known])
    alike = torch.nn.functional.cosine_similarity(usual, heads["read"][t, 0], dim=-1)
    print(f"arrow {letter}: context {as_bits(context)} came {(earlier == context).sum()} times before")
    for i in alike.argsort(descending=True)[:3]:
        last = (earlier == known[i]).nonzero().max()
        mark = "  <- this context" if known[i] == context else ""
        print(f"    likeness {alike[i]:.2f} to the place of {as_bits(known[i])},", end=" ")
        print(f"for which the optimum last said {optimal[last, 0]:.2f}{mark}")
    print(f"    now it says {optimal[t, 0]:.2f}, and the NTM {said[best][t, 0, 0].sigmoid():.2f}", end=": ")
    right = known[alike.argmax()] == context
    print("right place, wrong content" if right else "it looked in another context's place")

# %% [markdown]
# Compare the contexts on the list, bit by bit, with the one at the arrow. The last line of each arrow is a verdict by rule: "right place" if the likeness to this context's own place is the largest.

# %% [markdown]
# ## Try it yourself
#
# The explorer below needs a running notebook: open this chapter in Colab or on your machine. Type bits, flip one, or draw a new table. You see the optimal prediction with its counts, what the three models say, and where the NTM looks.
#
# - Type 40 ones. How sure do the models get, and how fast?
# - Type 20 times `01`. Only two contexts ever come. Watch the read head commute between two places.
# - Then break the rhythm with a single `1`. A new context comes, and nobody knows what follows it. Who says one half?
# - Flip one early bit of a drawn sequence, and look at how far to the right the predictions change, and for which contexts.

# EXPLORER
# %% [markdown]
# ## Where it fails
#
# In training every sequence had 200 bits. The optimum does not care: it counts as long as there are bits. What do the models do with 600?

# %% mystnb={"figure": {"caption": "Waste along sequences three times as long as in training (100 sequences, windows of 35 bits). Training ended at bit 200.", "name": "fig-10-long"}, "image": {"alt": "Three curves of the waste per bit, one for each model, over 600 bits, with a dashed upright line at bit 200 where training ended."}} tags=["hide-input"]
long = task.sample(100, length=600, generator=torch.Generator().manual_seed(testing_seed(1)))
known = optimal_predictions(long.inputs[..., 0])[4:]
with torch.no_grad():
    far = {
        name: divergence(found.model(long.inputs)[0][4:, :, 0], known)
        for name, found in models.items()
    }
figure = plots.along(far, window=35, first=6, label="bits wasted per bit")
figure.axes[0].axvline(200, color=plots.FAINT, linestyle="--", linewidth=1)
for name, wasted in far.items():
    early, late = (1000 * wasted[part].mean().item() for part in (slice(65, 195), slice(-195, None)))
    word = "more" if late > 1.1 * early else "less" if late < 0.9 * early else "as much"
    print(f"{name:15} wastes {early:6.2f} thousandths a bit at bits 71-200", end="")
    print(f" and {late:6.2f} at the last 195: {word}")

# %% [markdown]
# The optimum gets better and better as its counts grow: it knows each probability to ever more digits. To keep up, a set of counters would have to count to ever higher numbers, and nothing in training taught it numbers beyond those of 200 bits. A list would need ever more locations, and it has 128: from there on it can only know the recent past. <!-- check -->
#
# Another limit is in the task itself. The half in Equation 10 is the prior of the game. Models trained on this game have that half built in, wherever it is. Give them tables drawn in another way, and they will be as wrong as Equation 10 is. One of the exercises measures by how much.

# %% [markdown]
# ## Beside the paper
#
# | | the paper | here |
# |---|---|---|
# | the optimum | about 133 bits, read off Figure 13 | see *Two ways to count the bits* |
# | NTM | close to the optimum, never quite there; half a bit to one bit above it, read off Figure 13 | see the table of the thousand sequences |
# | LSTM | about three bits above, read off Figure 13 | see the same table |
# | where the NTM is wrong | two clear mistakes in one sequence, marked with arrows (Figure 14) | two places by rule; their waste is printed |
# | the LSTM later on | seems to diverge further, from one sequence | measured on 1,000, under *Does the LSTM drift?* |
# | memory use | same context, same location; read, and one step later written (Figure 15) | see the table of likeness, and *A counter or a list?* |
# | adds for 0 and 1 | anti-correlated (Figure 15) | the correlation is printed |
# | writes | fainter with every visit; perhaps a ratio is stored | see *A ratio or two counts?* |
#
# Our models were trained with Adam and larger learning rates, and on fewer sequences than the paper's million. One run of each model is shown.

# %% [markdown]
# ## Exercises
#
# To try one, copy its code into a new cell at the end of the notebook and replace the dots. Its `assert` tells you whether you are right: no output means yes.

# %% [markdown]
# :::{exercise} By hand
# :label: ex-10-by-hand
#
# The context is three bits. What had followed the context at the end, and what is the best prediction? Use a pencil first.
#
# ```python
# shown = [1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0]
# zeros, ones = ..., ...
# prediction = ...
# assert (zeros, ones) != (0, 0) and prediction == predict(shown, context=3)
# assert prediction == (ones + 0.5) / (zeros + ones + 1)
# ```
# :::
#
# :::{solution} ex-10-by-hand
# :class: dropdown
#
# The context is 100. It came before at bits 1 to 3, 4 to 6, 8 to 10 and 12 to 14, and was followed by 1, 0, 1 and 1.
#
# ```python
# shown = [1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 0, 1, 0, 0]
# zeros, ones = 1, 3
# prediction = 3.5 / 5
# assert (zeros, ones) != (0, 0) and prediction == predict(shown, context=3)
# assert prediction == (ones + 0.5) / (zeros + ones + 1)
# ```
# :::

# %% [markdown]
# :::{exercise} Another game, another rule
# :label: ex-10-laplace
#
# Suppose that the tables are drawn evenly: every probability between 0 and 1 is equally likely. That is Beta(1, 1). Go through the derivation again. What is the best prediction now? Then let your rule and Equation 10 play against each other, for one context with 6 examples, in both games.
#
# ```python
# def rule(ones, zeros):
#     return ...
#
#
# draw = torch.Generator().manual_seed(3)
# even = torch.rand(200_000, 1, generator=draw)  # the new game
# u_shaped = (torch.rand(200_000, 1, generator=draw) * torch.pi / 2).sin().square()  # the paper's
#
# def cost(p, predict):
#     flips = (torch.rand(len(p), 7, generator=draw) < p).double()
#     ones = flips[:, :6].sum(1)
#     said = predict(ones, 6 - ones)
#     return -torch.where(flips[:, 6] == 1, said, 1 - said).log2().mean().item()
#
# half = lambda ones, zeros: (ones + 0.5) / (ones + zeros + 1)
# assert cost(even, rule) < cost(even, half)
# assert cost(u_shaped, half) < cost(u_shaped, rule)
# ```
# :::
#
# :::{solution} ex-10-laplace
# :class: dropdown
#
# The prior is 1 everywhere, so the posterior is $p^{N_1}(1 - p)^{N_0}$, a Beta with $N_1 + 1$ and $N_0 + 1$. Its mean is Laplace's rule of succession.
#
# ```python
# def rule(ones, zeros):
#     return (ones + 1) / (ones + zeros + 2)
#
#
# draw = torch.Generator().manual_seed(3)
# even = torch.rand(200_000, 1, generator=draw)
# u_shaped = (torch.rand(200_000, 1, generator=draw) * torch.pi / 2).sin().square()
#
# def cost(p, predict):
#     flips = (torch.rand(len(p), 7, generator=draw) < p).double()
#     ones = flips[:, :6].sum(1)
#     said = predict(ones, 6 - ones)
#     return -torch.where(flips[:, 6] == 1, said, 1 - said).log2().mean().item()
#
# half = lambda ones, zeros: (ones + 0.5) / (ones + zeros + 1)
# assert cost(even, rule) < cost(even, half)
# assert cost(u_shaped, half) < cost(u_shaped, rule)
# ```
# :::

# %% [markdown]
# :::{exercise} What overconfidence costs
# :label: ex-10-overconfident
#
# After a single 1 in a new context the best prediction is 0.75. A model says 0.99 instead. How many bits does it waste, on average? And if it says 0.5, like a coin? Write the formula, and see which of the two errors is dearer.
#
# ```python
# def wasted(p, q):
#     """Return the bits that saying p wastes where q is right; numbers, not tensors."""
#     return ...
#
#
# assert abs(wasted(0.5, 0.75) - 0.1887) < 1e-4
# assert wasted(0.99, 0.75) > wasted(0.5, 0.75)
# for p in (0.99, 0.5, 0.25):
#     package = divergence(torch.tensor(p).logit(), torch.tensor(0.75)).item()
#     assert abs(wasted(p, 0.75) - package) < 1e-4
# ```
# :::
#
# :::{solution} ex-10-overconfident
# :class: dropdown
#
# ```python
# from math import log2
#
#
# def wasted(p, q):
#     """Return the bits that saying p wastes where q is right; numbers, not tensors."""
#     return q * log2(q / p) + (1 - q) * log2((1 - q) / (1 - p))
#
#
# assert abs(wasted(0.5, 0.75) - 0.1887) < 1e-4
# assert wasted(0.99, 0.75) > wasted(0.5, 0.75)
# ```
#
# Overconfidence is more than four times as dear as saying nothing.
# :::

# %% [markdown]
# :::{exercise} What pairing is worth
# :label: ex-10-pairs
#
# We compared the better NTM with the LSTM on the same 1,000 sequences. Suppose that each had been tested on sequences of its own. How many would each of them have needed to give a difference with the same standard error? For independent values, the variance of a difference is the sum of the variances.
#
# ```python
# a, b = costs["lstm"], costs[best]
# paired_error = mean_and_error(a - b)[1]
# needed = ...
# assert abs(((a.var() + b.var()) / needed).sqrt().item() - paired_error) < 1e-6
# print(f"{needed:,.0f} sequences instead of 1,000")
# ```
# :::
#
# :::{solution} ex-10-pairs
# :class: dropdown
#
# ```python
# a, b = costs["lstm"], costs[best]
# paired_error = mean_and_error(a - b)[1]
# needed = (a.var() + b.var()).item() / paired_error**2
# assert abs(((a.var() + b.var()) / needed).sqrt().item() - paired_error) < 1e-6
# print(f"{needed:,.0f} sequences instead of 1,000")
# ```
# :::

# %% [markdown]
# :::{exercise} Too short a memory
# :label: ex-10-short
#
# A player looks back four bits instead of five, and otherwise plays by the rule. He has fewer contexts, so he learns each of them faster; but he confuses contexts that differ. Does he win or lose? Measure it on 20 of the fresh sequences, from bit 6 on.
#
# ```python
# def cost_of_player(context):
#     """Return the mean cost in bits of predict() with so many context bits, on 20 sequences."""
#     total = 0.0
#     for sequence in torch.cat([fresh.inputs[:1], fresh.targets])[:, :20, 0].long().T.tolist():
#         for k in range(5, 200):
#             said = predict(sequence[:k], context)
#             total += ...
#     return total / 20
#
#
# assert abs(cost_of_player(5) - costs["optimum"][:20].mean().item()) < 1e-3
# assert cost_of_player(4) > cost_of_player(5) + 5
# ```
# :::
#
# :::{solution} ex-10-short
# :class: dropdown
#
# ```python
# from math import log2
#
#
# def cost_of_player(context):
#     """Return the mean cost in bits of predict() with so many context bits, on 20 sequences."""
#     total = 0.0
#     for sequence in torch.cat([fresh.inputs[:1], fresh.targets])[:, :20, 0].long().T.tolist():
#         for k in range(5, 200):
#             said = predict(sequence[:k], context)
#             total += -log2(said if sequence[k] else 1 - said)
#     return total / 20
#
#
# assert abs(cost_of_player(5) - costs["optimum"][:20].mean().item()) < 1e-3
# assert cost_of_player(4) > cost_of_player(5) + 5
# ```
# :::

# %% [markdown]
# ## Summary
#
# - The best prediction adds one half to each of two counts and divides. It is the mean of what one believes after the examples, and the half is the prior of the game.
# - No model can beat it on average. It costs 128 of 195 bits: most of what is left is chance, and no player can help that.
# - Compare on the same sequences, and take the standard error of the difference. Measured against the best prediction, the waste can be seen at every single bit.
# - Our models' distances from the optimum stand in the table of the thousand sequences, and their clearest mistakes under Figure 14, found by a rule.
# - A memory can play this game in two ways: as a set of counters, to which the heads return, or as a list, which is searched by content. Which of them a machine learned can be read off its trace, and tested by blanking what it looks at.
#
# **Next:** to look things up, see the [notation](../book/notation.md) and the [glossary](../book/glossary.md). <!-- check -->
