"""Message, reminder and monthly impression out of the journal's rows."""

from __future__ import annotations

from datetime import date

from controller.chain import Head, Kind, Row, canonical, of
from controller.training.follow_up import Message, Reminder, follow_up


def rows(*told: tuple[str, Kind, dict[str, object]]) -> list[Row]:
    head, made = Head(), list[Row]()
    for day, kind, fields in told:
        made.append(head.then(f"{day}T10:00:00.000+00:00", kind, canonical(fields)))
        head = of(made[-1])
    return made


def test_the_newest_message_and_reminder_count_and_either_can_be_taken_away() -> None:
    told = rows(
        ("2027-01-01", Kind.MESSAGE, {"text": "one"}),
        ("2027-01-02", Kind.MESSAGE, {"text": "two"}),
        ("2027-01-02", Kind.REMINDER, {"days": [0, 4], "time": "19:30"}),
    )
    found = follow_up(told, date(2027, 1, 3))
    assert found.message == Message("two", "2027-01-02T10:00:00.000+00:00")
    assert found.reminder == Reminder((0, 4), "19:30")
    gone = [
        *told,
        *rows(("2027-01-03", Kind.MESSAGE, {"text": ""}), ("2027-01-03", Kind.REMINDER, {"days": [], "time": "19:30"})),
    ]
    assert (follow_up(gone, date(2027, 1, 3)).message, follow_up(gone, date(2027, 1, 3)).reminder) == (None, None)


def test_the_impression_is_asked_for_28_days_after_training_began_and_after_each_answer() -> None:
    began = ("2027-01-01", Kind.SESSION, {"event": "opened", "session": "s"})
    later = ("2027-01-20", Kind.TRAINING, {"event": "opened", "training": "t"})
    assert not follow_up([], date(2027, 6, 1)).due
    trained = rows(began, later)
    assert [follow_up(trained, date(2027, 1, day)).due for day in (28, 29)] == [False, True]
    assert follow_up(trained, date(2027, 1, 20)).trained == "2027-01-20"
    told = [("2027-01-29", Kind.IMPRESSION, {"step": step}) for step in (6, 2)]
    answered = rows(began, later, *told)
    assert [follow_up(answered, date(2027, 2, day)).due for day in (25, 26)] == [False, True]
    assert follow_up(answered, date(2027, 2, 1)).impressions == {"2027-01-29": 2}, "the newest of a day"
