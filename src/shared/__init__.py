"""What every stage of the flights project stands on."""
