-- The same guards of closed hours, after the row and not before it: a booking of a line that is there is an INSERT that turns into an
-- UPDATE, and asked both of them each time. Now an INSERT asks where it inserts. A refused statement is taken back as before.

DROP TRIGGER closed_lines_take_no_newcomer;
DROP TRIGGER closed_lines_stay;
DROP TRIGGER closed_corrections_take_no_newcomer;
DROP TRIGGER closed_corrections_stay;

CREATE TRIGGER closed_lines_take_no_newcomer AFTER INSERT ON meter_lines
WHEN NEW.minute_start_ms < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
CREATE TRIGGER closed_lines_stay AFTER UPDATE ON meter_lines
WHEN min(OLD.minute_start_ms, NEW.minute_start_ms) < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
CREATE TRIGGER closed_corrections_take_no_newcomer AFTER INSERT ON corrections
WHEN NEW.hour_start_ms < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
CREATE TRIGGER closed_corrections_stay AFTER UPDATE ON corrections
WHEN min(OLD.hour_start_ms, NEW.hour_start_ms) < (SELECT closed_until_ms FROM ledger_state)
BEGIN SELECT RAISE(ABORT, 'the hour is closed'); END;
