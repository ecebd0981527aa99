"""The crash test: nothing that was acknowledged is lost when the stand-in is killed.

    python tests/crash_run.py --kills 200 [--seed N] [--workers N] [--home FOLDER]

It starts the stand-in on a temporary state folder, works it from several threads with
random operations, kills it (SIGKILL) at a random moment, starts it again and compares
what is there with what was acknowledged; then goes on with the same state, as often as
asked. An operation that was under way when the stand-in died may have happened or not;
nothing else may differ. The seed is printed; with the same seed the same operations are
chosen, but threads and kills still meet at other moments.

ledger.py     what is expected of each thing, and what may also be
actors.py     the operations, one class for each kind of thing
run.py        start, work, kill, compare
forgetful.py  a stand-in that writes nothing down, which the test has to catch
"""
