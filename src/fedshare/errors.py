"""Every error the library raises on purpose.

    FedShareError
    ├── InputError (ValueError)          something handed in cannot be used
    │   ├── BadData                      a file or table that is not a set of interactions
    │   │   ├── MissingColumn            a column that is needed is not there
    │   │   ├── EmptyData                no interaction is left
    │   │   └── TooSmall                 one user, one item: nothing to learn or rank
    │   ├── BadShare                     a share that is not in 0..1, or a policy that cannot be read
    │   ├── BadOption                    a hyperparameter or option outside its range
    │   └── BadRequest                   a share or a withdrawal that cannot be carried out
    │       ├── EmptyRequest             nothing is shared or withdrawn
    │       ├── AlreadyShared            the pair is shared already
    │       ├── NotShared                the pair is not shared (any more)
    │       ├── NotKnown                 the person has no such interaction
    │       ├── AlreadyErased            the pair is gone already
    │       └── RequestMismatch          the request belongs to another ledger or run
    ├── CohortTooSmall                   fewer people than min_cohort would stand behind an answer
    ├── BadMessage                       what crossed between server and devices is no message
    ├── NotFound (LookupError)           something named does not exist
    │   ├── UnknownUser
    │   ├── UnknownItem
    │   ├── UnknownDataset
    │   └── MissingFile
    ├── RunError                         a saved run that cannot be used
    │   ├── DamagedRun                   a file is missing, changed or unreadable
    │   ├── OldRun                       written in an earlier format, which nothing reads any more
    │   ├── NewerRun                     written by a later version of the format
    │   └── OutputExists                 the place to write to is taken
    ├── CannotWrite (OSError)            a file or folder cannot be written: disk full, no rights, a failing disk
    ├── NotMeasured                      a figure was asked for that nobody measured (no reference, no test pairs)
    ├── AuditFailed                      the audit's policy is not met
    └── VerificationFailed               a model is not what its certificate says

    DataWarning (UserWarning)            a file was read, but may not mean what its owner thinks
    LargeWithdrawal (UserWarning)        so much is taken back at once that training again is the better method
    SecondWithdrawal (UserWarning)       a run has a successor that is without more than the new one would be

A message says what is wrong, what was got, what was expected and what to do next.
"""


class FedShareError(Exception):
    """Root of the tree: catch this to catch everything the library raises on purpose."""


class InputError(FedShareError, ValueError):
    """Something handed in cannot be used."""


class BadData(InputError):
    """A file or table that is not a set of interactions."""


class MissingColumn(BadData):
    """A column that is needed is not there."""


class EmptyData(BadData):
    """No interaction is left."""


class TooSmall(BadData):
    """One user or one item: there is nothing to learn or to rank."""


class BadShare(InputError):
    """A share outside 0..1, or a share policy that cannot be read."""


class BadOption(InputError):
    """A hyperparameter or option outside its range."""


class BadRequest(InputError):
    """A share or a withdrawal that cannot be carried out."""


class EmptyRequest(BadRequest):
    """Nothing is shared or withdrawn."""


class AlreadyShared(BadRequest):
    """The pair is shared already."""


class NotShared(BadRequest):
    """The pair is not shared, or not any more."""


class NotKnown(BadRequest):
    """The person has no such interaction."""


class AlreadyErased(BadRequest):
    """The pair has been erased before."""


class RequestMismatch(BadRequest):
    """The request belongs to another ledger or another run."""


class CohortTooSmall(FedShareError):
    """Fewer people than ``min_cohort`` would stand behind an answer."""


class BadMessage(FedShareError):
    """What crossed between server and devices is no message."""


class NotFound(FedShareError, LookupError):
    """Something named does not exist."""


class UnknownUser(NotFound):
    """No such user in the data."""


class UnknownItem(NotFound):
    """No such item in the data."""


class UnknownDataset(NotFound):
    """Neither the name of an embedded data set nor a path that exists."""


class MissingFile(NotFound):
    """A file that was named is not there."""


class RunError(FedShareError):
    """A saved run that cannot be used."""


class DamagedRun(RunError):
    """A file of the run is missing, changed or unreadable."""


class OldRun(RunError):
    """The run was written in an earlier format, which nothing reads any more."""


class NewerRun(RunError):
    """The run was written by a later version of the format."""


class OutputExists(RunError):
    """The place to write to is taken."""


class CannotWrite(FedShareError, OSError):
    """A file or folder cannot be written: the disk is full or failing, or nobody may write there.

    What was there before is there still; ``errno`` is the system's number, where there is one.
    """


class NotMeasured(FedShareError):
    """A figure was asked for that nobody measured."""


class AuditFailed(FedShareError):
    """The audit's policy is not met."""


class VerificationFailed(FedShareError):
    """A model is not what its certificate says."""


class LargeWithdrawal(UserWarning):
    """So much of what is shared is taken back at once that training again gives better lists than unlearning."""


class SecondWithdrawal(UserWarning):
    """Two withdrawals from one run: each of the new runs still holds what the other one is without."""


class DataWarning(UserWarning):
    """A file was read, but may not mean what its owner thinks; ``Interactions.notes`` has the same sentences."""
