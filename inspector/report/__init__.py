"""A bundle's figures and worst pieces as one HTML file that needs no network and no script."""
