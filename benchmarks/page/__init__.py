"""What the page costs the browser, by how many units a run has."""
