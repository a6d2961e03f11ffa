"""How well rules are read: the RFCs' examples, dateutil's tests, random rules, and what peers make of the same."""
