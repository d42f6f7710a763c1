"""What a failure tells the user: a sentence, and an exit status."""

from calcore.errors import CalcoreError, KeywordInvalid, KeywordMissing, explained
from calcore.io.keywords import keyword_of


def reason_of(error: BaseException) -> str:
    """Return why a product failed, in a sentence that names keywords as headers do."""
    text = explained(error)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, KeywordMissing):
            keyword, _ = keyword_of(cause.name) or (cause.name, "")
            text = text.replace(f"keyword {cause.name} ", f"keyword {keyword} ({cause.name}) ")
        elif isinstance(cause, KeywordInvalid) and (known := keyword_of(cause.keyword)):
            text = text.replace(f"{cause.keyword} is ", f"{known[0]} ({cause.keyword}) is ")
        cause = cause.__cause__
    return text


def exit_status_of(error: BaseException) -> int:
    """Return the exit status of the first cause that has its own."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, CalcoreError) and cause.exit_status != 1:
            return cause.exit_status
        cause = cause.__cause__
    return 1
