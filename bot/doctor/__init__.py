"""The doctor: everything that must hold before real money is traded; `examination` is the way in."""
