"""scripts/kernel_facts finds what it is there for: usage: kernel_facts_test.py SCRIPT TABLE"""
import importlib.machinery
import importlib.util
import pathlib
import sys

script, table = sys.argv[1:]
loader = importlib.machinery.SourceFileLoader("kernel_facts", script)
facts = importlib.util.module_from_spec(importlib.util.spec_from_loader("kernel_facts", loader))
loader.exec_module(facts)

rows = facts.from_text(pathlib.Path(table).read_text())
assert facts.complaints(rows, rows) == []


def found_after(change, pick=lambda row: True):
    """What is said of a build in which one kernel has changed."""
    changed = [dict(row) for row in rows]
    change(next(row for row in changed if pick(row)))
    return facts.complaints(changed, rows)


lost = found_after(lambda row: row.update(wide=row["wide"] - 1), lambda row: row["wide"] > 0)
assert len(lost) == 1 and "wide" in lost[0], lost
spilled = found_after(lambda row: row.update(stack=8, local=4))
assert len(spilled) == 2 and "stack 8, expected at most 0" in spilled[0], spilled
scalar = found_after(lambda row: row.update(mma=0), lambda row: row["mma"] > 0)
assert len(scalar) == 1 and "mma 0" in scalar[0], scalar
unknown = found_after(lambda row: row.update(kernel="new", stack=16))
assert any("new: not in the table" in line for line in unknown), unknown
assert any("new: stack 16, expected at most 0" in line for line in unknown), unknown
assert any("not in the build" in line for line in unknown), unknown

# What the table itself must say.
assert all(row["stack"] == 0 and row["local"] == 0 for row in rows), "a kernel spills"
products = [row for row in rows if ":gemm_mma<" in row["kernel"]]
assert products and all(row["mma"] > 0 and row["ldmatrix"] + row["wide"] > 0 for row in products)
assert {row["architecture"] for row in products} == {"sm_80", "sm_90", "sm_120"}

# 16 bytes, opcode in the low 12 bits, width in bits 73 to 75: a 128-bit global load, a 32-bit one, a
# tensor-core product, a spill.
code = b"".join(low.to_bytes(8, "little") + high.to_bytes(8, "little")
                for low, high in [(0x981, 6 << 9), (0x981, 4 << 9), (0x23C, 0), (0x387, 6 << 9)])
counts = facts.count_instructions(90, code)
assert (counts["wide"], counts["mma"], counts["local"]) == (1, 1, 1), counts
# A copy to shared memory of 128 and of 32 bits, as sm_90 and as sm_120 write them.
for architecture, wide, narrow in [(90, 6, 4), (120, 4, 0)]:
    copies = b"".join((0xFAE).to_bytes(8, "little") + (width << 9).to_bytes(8, "little") for width in (wide, narrow))
    assert facts.count_instructions(architecture, copies)["wide"] == 1, architecture
