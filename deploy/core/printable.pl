# What a program prints on its way to a terminal: lines of bounded length, valid UTF-8, no control codes. Container logs,
# DAG import errors and names in the database are written by tasks. Each line is passed on as it comes.
use strict;
use warnings;
$| = 1;

sub show {
  my ($line) = @_;
  utf8::decode($line) or $line =~ s/[^\x00-\x7f]/?/g;
  $line =~ s/\r\z//;
  # C0, C1 and what changes the direction or hides: a tab alone may stay.
  $line =~ s/[\x00-\x08\x0a-\x1f\x7f-\x9f\x{200b}-\x{200f}\x{2028}-\x{202e}\x{2060}-\x{206f}\x{feff}]/?/g;
  # pyinfra takes these for sudo's own words, and would ask for a password.
  $line =~ s/^(sudo(?:-rs)?):/$1 :/;
  utf8::encode($line);
  print $line, "\n";
}

my $pending = '';
while (sysread STDIN, $pending, 65536, length $pending) {
  show($1 // $2) while $pending =~ s/\A(?:([^\n]{0,8192})\n|([^\n]{8192}))//;
}
show($pending) if length $pending;
